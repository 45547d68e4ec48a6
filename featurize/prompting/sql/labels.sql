-- Labels of the impressions that have a prompt or get one, where they are new or other than the newest that is known. A
-- log without minutes takes back none.
CREATE OR REPLACE TEMP TABLE new_label AS
WITH said AS (
    SELECT day, impression_id, reward, minutes FROM asked WHERE reason IS NULL
),
known AS (
    SELECT impression_id, max(revision) AS revision, arg_max({'reward': reward, 'minutes': minutes}, revision) AS newest
    FROM label
    GROUP BY impression_id
)
SELECT day, impression_id, (coalesce(revision, 0) + 1)::INTEGER AS revision, said.reward,
    coalesce(said.minutes, newest.minutes) AS minutes
FROM said LEFT JOIN known USING (impression_id)
WHERE revision IS NULL OR said.reward <> newest.reward
    OR said.minutes IS NOT NULL AND said.minutes IS DISTINCT FROM newest.minutes
ORDER BY day, impression_id;
