-- Prompts to estimate the letters' prior on: a share of them, and of each number of candidates at least so many, by a hash.
SELECT prompt_id AS key, source, 0::INTEGER AS attempts
FROM (
    SELECT *, row_number() OVER by_hash AS number, count(*) OVER (PARTITION BY candidates) AS there
    FROM prompt_to_rank
    WINDOW by_hash AS (PARTITION BY candidates ORDER BY md5(concat($seed, '|', prompt_id)), prompt_id)
)
WHERE number <= greatest($at_least, $share * there)
ORDER BY source, member_id, asked_at, prompt_id
