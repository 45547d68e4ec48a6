-- What the newest run that ranked with a model called it; else the file of the ranker.
SELECT model_key, coalesce(called, backend) AS name
FROM model
LEFT JOIN (
    SELECT model_key, arg_max(phase, started_at) AS called FROM run_phase WHERE job = 'rank' GROUP BY model_key
) USING (model_key)
WHERE list_contains($keys, model_key);
