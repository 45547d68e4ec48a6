CREATE OR REPLACE VIEW runs AS
WITH leaf AS (
    SELECT run_id, ltrim(concat_ws('.', substr(path, 3), key), '.') AS name, atom::BIGINT AS value
    FROM run, json_tree(run.counts)
    WHERE type IN ('BIGINT', 'UBIGINT') AND NOT starts_with(path, '$.phases')
),
counted AS (
    SELECT run_id, map_from_entries(list((name, value) ORDER BY name)) AS counts FROM leaf GROUP BY run_id
),
phases AS (
    SELECT run_id, sum(to_do)::BIGINT AS to_do, sum(done)::BIGINT AS done, list(DISTINCT model_key ORDER BY model_key) AS model_keys
    FROM run_phase
    GROUP BY run_id
)
SELECT run_id, job, started_at, seconds, outcome, message, counted.counts, to_do, done, model_keys, code_version
FROM run
LEFT JOIN counted USING (run_id)
LEFT JOIN phases USING (run_id)
ORDER BY started_at;
COMMENT ON VIEW runs IS 'Finished runs, oldest first. counts is a map: counts[''removed''], counts[''quarantined.truncated'']';
