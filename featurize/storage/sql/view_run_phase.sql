CREATE OR REPLACE VIEW run_phase AS
SELECT run_id, job, started_at, outcome,
       phase->>'name' AS phase,
       phase->>'model_key' AS model_key,
       CAST(phase->'new' AS BIGINT) AS to_do,
       CAST(phase->'done' AS BIGINT) AS done,
       coalesce(list_sum(CAST(json_extract(phase, '$.quarantined.*') AS BIGINT[])), 0)::BIGINT AS quarantined,
       CAST(phase->'startup_s' AS DOUBLE) AS startup_s,
       CAST(phase->'work_s' AS DOUBLE) AS work_s,
       (done + quarantined) / nullif(work_s, 0) AS per_second
FROM (SELECT *, unnest(json_extract(counts, '$.phases[*]')) AS phase FROM run);
COMMENT ON VIEW run_phase IS 'One row per run and model: what there was to do, what was done, and how fast';
