CREATE OR REPLACE VIEW run_phase AS
SELECT run_id, coalesce(phase->>'job', job) AS job, started_at, outcome,
       phase->>'name' AS phase,
       phase->>'model_key' AS model_key,
       CAST(phase->'new' AS BIGINT) AS to_do,
       CAST(phase->'done' AS BIGINT) AS done,
       coalesce(list_sum(CAST(json_extract(phase, '$.quarantined.*') AS BIGINT[])), 0)::BIGINT AS quarantined,
       CAST(phase->'startup_s' AS DOUBLE) AS startup_s,
       CAST(phase->'work_s' AS DOUBLE) AS work_s,
       (done + quarantined) / nullif(work_s, 0) AS per_second,
       CAST(phase->'$.spent.read_s' AS DOUBLE) AS read_s,
       CAST(phase->'$.spent.decode_s' AS DOUBLE) AS decode_s,
       CAST(phase->'$.spent.model_s' AS DOUBLE) AS model_s,
       CAST(phase->'$.spent.write_s' AS DOUBLE) AS write_s,
       CAST(phase->'$.spent.wait_s' AS DOUBLE) AS wait_s,
       CAST(phase->'$.spent.worker_s' AS MAP(VARCHAR, DOUBLE)) AS worker_s,
       CAST(phase->'$.spent.bytes_read' AS BIGINT) AS bytes_read,
       CAST(phase->'$.spent.bytes_written' AS BIGINT) AS bytes_written
FROM (SELECT *, unnest(json_extract(counts, '$.phases[*]')) AS phase FROM run);
COMMENT ON VIEW run_phase IS 'One row per run and model: what there was to do, what was done, how fast, and where the time went: model, write and wait (for pictures) make up the time of shards, read and decode are those of threads beside it; worker_s is by kind of device, from the loading on. job is that of a night that did it';
