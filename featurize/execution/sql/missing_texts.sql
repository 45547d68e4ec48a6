-- Texts of `wanted` (text) without a row of this model, less those that quarantine rules out where there is a limit.
WITH tried AS (
    SELECT image_sha256 AS key, max(attempts) AS attempts,
           bool_or(NOT retryable OR attempts >= $max_attempts::INTEGER) AND $max_attempts::INTEGER IS NOT NULL AS given_up
    FROM quarantine
    GROUP BY image_sha256
),
asked AS (
    SELECT DISTINCT sha256(text) AS key, text FROM wanted WHERE text <> ''
)
SELECT key, text AS source, coalesce(tried.attempts, 0)::INTEGER AS attempts
FROM asked
LEFT JOIN tried USING (key)
WHERE NOT coalesce(given_up, false) AND NOT EXISTS (SELECT 1 FROM text_embedding WHERE text_sha256 = asked.key)
ORDER BY key
