-- How often each artwork of the titles that are shown is chosen, of all choices of its title; a few of the members.
SELECT title_id, artwork_id, count(*) AS chosen, sum(count(*)) OVER (PARTITION BY title_id)::BIGINT AS of_all,
       list(DISTINCT member_id ORDER BY member_id)[:3] AS members
FROM picked SEMI JOIN shown_title USING (title_id)
GROUP BY title_id, artwork_id;
