-- Runs, with what their phases left over, and their state: the outcome, or partly, of one that is done and left work for
-- the next run; the sentence of such a run says what.
WITH remaining AS (
    SELECT run_id, sum(greatest(to_do - done - quarantined, 0))::BIGINT AS left_over FROM run_phase GROUP BY run_id
)
SELECT run_id, job, night, started_at, seconds, outcome, message, counts, to_do, done, code_version,
       coalesce(left_over, 0) AS left_over,
       CASE WHEN outcome = 'done' AND (message <> '' OR left_over > 0) THEN 'partly' ELSE outcome END AS state
FROM runs LEFT JOIN remaining USING (run_id);
