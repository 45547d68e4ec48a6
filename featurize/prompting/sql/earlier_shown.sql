-- Which artworks of a question's title its member was shown in the $days days before, and what came of it: of impressions
-- in the log, and of those that the store keeps, with their newest label. What came of one is known $known_after hours
-- later, whatever it was: were it said sooner when nothing came, silence would tell that something did. Told are the last
-- showing (`last`), and of those before it the newest of which more came (`best`): outcome 3 is a play, 2 one that was
-- broken off after so many minutes, 1 none, and of 0 it is not known.
CREATE OR REPLACE TEMP TABLE earlier_shown AS
WITH pair AS (SELECT DISTINCT member, title_id FROM question),
kept AS (
    SELECT impression_id, member_id AS member, arg_min(title_id, computed_at) AS title_id,
        arg_min(artwork_id, computed_at) AS artwork_id, arg_min("at", computed_at) AS "at"
    FROM impression_state
    SEMI JOIN pair ON pair.member = member_id AND pair.title_id = impression_state.title_id
    ANTI JOIN logged_before USING (impression_id)
    GROUP BY impression_id, member_id
),
outcome AS (
    SELECT impression_id, arg_max(reward, revision) AS reward, arg_max({'minutes': minutes}, revision).minutes AS minutes
    FROM label SEMI JOIN kept USING (impression_id) GROUP BY impression_id
),
impression_before AS (
    SELECT member, title_id, artwork_id, "at", reward, minutes FROM logged_before SEMI JOIN pair USING (member, title_id)
    UNION ALL
    SELECT member, title_id, artwork_id, "at", reward, minutes FROM kept LEFT JOIN outcome USING (impression_id)
)
SELECT question_no, artwork_id, times, last_at, last, CASE WHEN best.outcome > last.outcome THEN best END AS best
FROM (
    SELECT question_no, artwork_id, count(*) AS times, max("at") AS last_at,
        arg_max(told, ("at", outcome, told.minutes)) AS last, arg_max(told, (outcome, "at", told.minutes)) AS best
    FROM (
        SELECT question_no, artwork_id, "at", outcome,
            {
                'outcome': outcome,
                'minutes': CASE outcome WHEN 2 THEN floor(minutes)::INTEGER ELSE 0 END,
                'hours': whole_hours("at", asked_at)
            } AS told
        FROM (
            SELECT question_no, asked_at, i.*,
                CASE
                    WHEN i.reward IS NULL OR whole_hours("at", asked_at) < $known_after THEN 0
                    WHEN i.reward >= 0.5 THEN 3
                    WHEN i.minutes >= 1 THEN 2
                    ELSE 1
                END AS outcome
            FROM question q JOIN impression_before i USING (member, title_id)
            WHERE "at" < asked_at AND "at" >= asked_at - to_days($days::INTEGER)
        )
    )
    GROUP BY question_no, artwork_id
);
