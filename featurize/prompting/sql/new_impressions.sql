-- Impressions that have a prompt or get one, where they are new or other than what is known of them.
SELECT strftime(asked_at, '%Y-%m-%d') AS day, impression_id, member AS member_id, title_id, shown AS artwork_id,
    list_sort(candidates) AS candidates, propensity, asked_at AS "at", policy
FROM asked JOIN member USING (member_id)
WHERE reason IS NULL
EXCEPT
SELECT strftime("at", '%Y-%m-%d'), impression_id, member_id, title_id, artwork_id, candidates, propensity, "at", policy
FROM impression_state
ORDER BY day, impression_id;
