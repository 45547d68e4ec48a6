-- The impressions of the log that have a prompt or get one.
CREATE OR REPLACE TEMP VIEW logged_before AS
SELECT impression_id, member, title_id, shown AS artwork_id, asked_at AS "at", reward, minutes
FROM asked JOIN member USING (member_id)
WHERE reason IS NULL;
