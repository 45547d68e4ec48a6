-- Per table, of the models that have rows in it: the one that the newest finished run used, whether or not it had
-- anything to do; before a run has finished, the one that was first used last.
WITH used AS (
    SELECT phase->>'model_key' AS model_key, max(started_at) AS used_at
    FROM (SELECT started_at, unnest(json_extract(counts, '$.phases[*]')) AS phase FROM run WHERE outcome = 'done')
    GROUP BY model_key
)
SELECT feature, model_key
FROM candidate
LEFT JOIN used USING (model_key)
LEFT JOIN model USING (model_key)
QUALIFY row_number() OVER (
    PARTITION BY feature ORDER BY used_at DESC NULLS LAST, computed_at DESC NULLS LAST, model_key
) = 1
ORDER BY feature
