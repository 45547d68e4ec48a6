-- Recommenders that have put titles and artworks into one space, the newest first.
SELECT model_key
FROM item_vector
GROUP BY model_key
HAVING bool_or(kind = 'artwork') AND bool_or(played IS NOT NULL)
ORDER BY max(computed_at) DESC, model_key
LIMIT 1;
