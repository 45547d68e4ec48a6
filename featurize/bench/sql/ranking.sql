-- What ranker number $ranker says of the held-out prompts of table prompt: columns of table ranking.
SELECT *, (rank = 1)::DOUBLE AS propensity, 'bench' AS run_id, 'bench' AS code_version, now() AS computed_at
FROM (
    SELECT prompt_id, $model_key AS model_key, artwork_id, score, 0.0::DOUBLE AS probability,
        (row_number() OVER (PARTITION BY prompt_id ORDER BY score DESC))::INTEGER AS rank
    FROM (
        SELECT prompt_id, artwork_id, (hash(prompt_id || artwork_id || $ranker::VARCHAR) % 1000000)::DOUBLE AS score
        FROM (SELECT prompt_id, unnest(artwork_ids) AS artwork_id FROM prompt WHERE split = 'held_out')
    )
);
