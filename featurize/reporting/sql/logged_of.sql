-- How often the log shows each artwork, and how often it was watched then.
SELECT artwork_id, count(*) AS shown, count(*) FILTER (reward >= 0.5) AS played
FROM impression SEMI JOIN shown_title USING (title_id)
GROUP BY artwork_id;
