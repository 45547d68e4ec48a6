-- The questions to write, numbered by day and member, which is the order of the parts. A moment is a member at a time,
-- which is all that a history depends on.
CREATE OR REPLACE TEMP TABLE question AS
SELECT
    (row_number() OVER (ORDER BY p.day, member, asked_at, prompt_id))::INTEGER AS question_no,
    (dense_rank() OVER (ORDER BY p.day, member, asked_at))::INTEGER AS moment_no,
    p.*, a.* EXCLUDE (asked_no, day, candidates, propensities, wrong_shares, said_zone, zone_from, reason)
FROM planned p JOIN asked a USING (asked_no)
WHERE a.reason IS NULL
ORDER BY question_no;
