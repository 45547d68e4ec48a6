-- What each ranker does in each round: a row per candidate, and in `reason` what is wrong with the round as a whole.
WITH candidate AS (
    SELECT number, prompt_id, len(artwork_ids) AS candidates,
        unnest(artwork_ids) AS artwork_id, generate_subscripts(artwork_ids, 1) - 1 AS place
    FROM held_out
),
ranked AS (
    -- Should a row ever be there twice, the first counts.
    SELECT model_key, prompt_id, artwork_id, arg_min(propensity, (computed_at, run_id)) AS propensity
    FROM ranking SEMI JOIN held_out USING (prompt_id)
    WHERE len($models::VARCHAR[]) = 0 OR list_contains($models, model_key)
    GROUP BY ALL
),
judged AS (
    SELECT model_key, prompt_id,
        CASE WHEN count(place) <> count(*) OR count(place) <> any_value(candidates) THEN 'other candidates'
             WHEN abs(sum(propensity) - 1) > 1e-4 THEN 'probabilities that do not sum to one' END AS reason
    FROM ranked LEFT JOIN candidate USING (prompt_id, artwork_id)
    GROUP BY model_key, prompt_id
)
SELECT model_key, prompt_id, number, place, propensity, reason
FROM judged JOIN ranked USING (model_key, prompt_id) LEFT JOIN candidate USING (prompt_id, artwork_id);
