-- By number of candidates and place among them, how many prompts have their first choice there, and the mean share of the
-- probability that the letters had.
SELECT len(artwork_ids)::INTEGER AS candidates, list_position(artwork_ids, artwork_id)::INTEGER AS place,
    count(*)::INTEGER AS picked, avg(letter_share) AS share
FROM ranking JOIN prompt USING (prompt_id) SEMI JOIN prompt_to_rank USING (prompt_id)
WHERE rank = 1
GROUP BY ALL
ORDER BY ALL
