-- Prompts that a ranker has no rows of, less those that quarantine rules out, as they lie in their parts: member by
-- member. `attempts` counts the earlier tries.
WITH tried AS (
    SELECT uri, max(attempts) AS attempts, bool_or(NOT retryable OR attempts >= $max_attempts) AS given_up
    FROM quarantine WHERE model_key = $model_key AND starts_with(uri, 'prompt:')
    GROUP BY uri
)
SELECT prompt_id AS key, source, coalesce(tried.attempts, 0)::INTEGER AS attempts
FROM asked LEFT JOIN tried ON tried.uri = 'prompt:' || prompt_id
WHERE able AND NOT coalesce(given_up, false) AND prompt_id NOT IN (SELECT prompt_id FROM ranking)
ORDER BY source, member_id, asked_at, prompt_id
