-- Pictures or clips of `wanted` without a row of this model, and those of table `failed`, less those that quarantine rules
-- out; `attempts` counts the earlier tries. First what is wanted soonest: of high priority, then near its launch; last what is over.
WITH tried AS (
    SELECT image_sha256, max(attempts) AS attempts, bool_or(NOT retryable OR attempts >= $max_attempts) AS given_up
    FROM quarantine
    WHERE model_key IN ($model_key, $decode_key) AND image_sha256 <> ''
    GROUP BY image_sha256
)
SELECT wanted.image_sha256 AS key, wanted.uri AS source, coalesce(tried.attempts, 0) + coalesce(failed.tries, 0) AS attempts
FROM wanted
LEFT JOIN tried USING (image_sha256)
LEFT JOIN failed USING (image_sha256)
WHERE NOT coalesce(tried.given_up, false)
  AND (failed.tries IS NOT NULL
       OR NOT EXISTS (SELECT 1 FROM features WHERE features.image_sha256 = wanted.image_sha256))
ORDER BY wanted.over, wanted.priority DESC NULLS LAST, wanted.launch NULLS LAST, wanted.image_sha256
