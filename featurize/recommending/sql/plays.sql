-- Plays that are learnt from, each once, in order of member and time; titles numbered by their place in `title_number`.
SELECT dense_rank() OVER (ORDER BY member_id) - 1 AS member, title_no AS title, epoch_us("at") AS moment, member_id
FROM (SELECT DISTINCT member_id, title_id, "at" FROM told WHERE reason IS NULL)
JOIN title_number USING (title_id)
ORDER BY member, moment, title;
