-- What every ranker says of the candidates of these prompts; the one that ranked last comes first.
SELECT prompt_id, model_key, coalesce(called, backend, model_key) AS ranker, artwork_id, rank, probability,
       max(ranking.computed_at) OVER (PARTITION BY model_key) AS last_at
FROM ranking
LEFT JOIN model USING (model_key)
LEFT JOIN (
    SELECT model_key, arg_max(phase, started_at) AS called FROM run_phase WHERE job = 'rank' GROUP BY model_key
) USING (model_key)
WHERE list_contains($prompts, prompt_id)
ORDER BY prompt_id, last_at DESC, model_key, rank;
