-- The impressions of the log that goes with pairs, of the members asked about: those that could have a prompt.
CREATE OR REPLACE TEMP VIEW logged_before AS
SELECT impression_id, member, title_id, artwork_id, "at", reward, CASE WHEN minutes >= 0 AND minutes < 1e6 THEN minutes END AS minutes
FROM impression JOIN member USING (member_id)
WHERE impression_id <> '' AND list_contains(candidates, artwork_id) AND reward BETWEEN 0 AND 1
QUALIFY row_number() OVER (PARTITION BY impression_id ORDER BY "at", member, title_id, artwork_id, reward) = 1;
