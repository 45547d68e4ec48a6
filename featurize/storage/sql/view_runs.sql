CREATE OR REPLACE VIEW runs AS
WITH leaf AS (
    SELECT run_id, ltrim(concat_ws('.', substr(path, 3), key), '.') AS name, atom::BIGINT AS value
    FROM run, json_tree(run.counts)
    WHERE type IN ('BIGINT', 'UBIGINT') AND NOT starts_with(path, '$.phases') AND NOT starts_with(path, '$.spent')
),
unfinished AS (
    SELECT run_id, max(renewed) AS renewed FROM run LEFT JOIN lease USING (run_id) WHERE outcome = 'started' GROUP BY run_id
),
written AS (
    SELECT run_id, name, count(*) AS value, max(moment) AS newest
    FROM (
        SELECT run_id, 'artwork' AS name, seen_at AS moment FROM artwork
        UNION ALL SELECT run_id, 'image_embedding', computed_at FROM image_embedding
        UNION ALL SELECT run_id, 'text_embedding', computed_at FROM text_embedding
        UNION ALL SELECT run_id, 'image_tag', computed_at FROM image_tag
        UNION ALL SELECT run_id, 'description', computed_at FROM description
        UNION ALL SELECT run_id, 'quarantine', computed_at FROM quarantine
        UNION ALL SELECT run_id, 'prompt', computed_at FROM prompt
        UNION ALL SELECT run_id, 'rationale', computed_at FROM rationale
        UNION ALL SELECT run_id, 'ranking', computed_at FROM ranking
        UNION ALL SELECT run_id, 'choice', computed_at FROM choice
    ) SEMI JOIN unfinished USING (run_id)
    GROUP BY run_id, name
),
counted AS (
    SELECT run_id, map_from_entries(list((name, value) ORDER BY name)) AS counts
    FROM (SELECT run_id, name, value FROM leaf UNION ALL SELECT run_id, name, value FROM written)
    GROUP BY run_id
),
seen AS (
    SELECT run_id, started_at, greatest(started_at, any_value(renewed), max(newest)) AS last_seen, sum(value)::BIGINT AS done
    FROM unfinished JOIN run USING (run_id) LEFT JOIN written USING (run_id)
    GROUP BY run_id, started_at
),
phases AS (
    SELECT run_id, sum(to_do)::BIGINT AS to_do, sum(done)::BIGINT AS done, list(DISTINCT model_key ORDER BY model_key) AS model_keys
    FROM run_phase
    GROUP BY run_id
)
SELECT run_id, job, run.started_at,
       coalesce(epoch_us(seen.last_seen - run.started_at) / 1e6, seconds) AS seconds,
       CASE WHEN outcome <> 'started' THEN outcome WHEN renewed > now() - INTERVAL 1 minute THEN 'started' ELSE 'killed' END AS outcome,
       message, counted.counts, to_do, coalesce(seen.done, phases.done) AS done, model_keys, code_version,
       coalesce(seen.last_seen, run.started_at + to_microseconds((seconds * 1e6)::BIGINT)) AS last_seen,
       CAST(run.counts->'$.spent.read_s' AS DOUBLE) AS read_s,
       CAST(run.counts->'$.spent.decode_s' AS DOUBLE) AS decode_s,
       CAST(run.counts->'$.spent.model_s' AS DOUBLE) AS model_s,
       CAST(run.counts->'$.spent.write_s' AS DOUBLE) AS write_s,
       CAST(run.counts->'$.spent.wait_s' AS DOUBLE) AS wait_s,
       CAST(run.counts->'$.spent.worker_s' AS MAP(VARCHAR, DOUBLE)) AS worker_s,
       CAST(run.counts->'$.spent.gpu_s' AS DOUBLE) AS gpu_s,
       CAST(run.counts->'$.spent.cost' AS DOUBLE) AS cost,
       CAST(run.counts->'$.spent.bytes_read' AS BIGINT) AS bytes_read,
       CAST(run.counts->'$.spent.bytes_written' AS BIGINT) AS bytes_written,
       coalesce(TRY_CAST(CASE WHEN job = 'nightly' THEN run.settings->>'$.nightly.date' END AS DATE),
           (run.started_at AT TIME ZONE 'UTC')::DATE) AS night
FROM run
LEFT JOIN counted USING (run_id)
LEFT JOIN phases USING (run_id)
LEFT JOIN unfinished USING (run_id)
LEFT JOIN seen USING (run_id)
ORDER BY run.started_at;
COMMENT ON VIEW runs IS 'Runs, oldest first. counts is a map: counts[''removed''], counts[''quarantined.truncated'']. outcome started is of a run that goes on, killed of one that gave no sign of life after last_seen; their counts, and done, are of the rows that they have committed by then, by table. read_s to bytes_written are as in run_phase, of the whole run; cost is gpu_s at cost.per_gpu_hour; night is the date that a night was for, and of other jobs the day (UTC) on which they started';
