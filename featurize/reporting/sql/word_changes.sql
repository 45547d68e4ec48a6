-- Of the pictures that both models say something of, how many they say something else of.
SELECT one.feature, one.attribute, count(*) AS pictures, count(*) FILTER (one.label <> other.label) AS changed
FROM word AS one JOIN word AS other USING (feature, attribute, image_sha256)
WHERE list_contains($current, one.model_key) AND NOT list_contains($current, other.model_key)
GROUP BY ALL;
