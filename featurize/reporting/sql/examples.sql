-- A few of the prompts that are ranked, half of them with what came of them where there are both kinds: those of the
-- ranker that ranked last, as nothing but their ids decides.
WITH last_ranker AS (
    SELECT arg_max(model_key, (computed_at, model_key)) AS model_key FROM ranking
),
ranked_by_it AS (
    SELECT DISTINCT prompt_id FROM ranking WHERE model_key = (SELECT model_key FROM last_ranker)
)
SELECT prompt_id, kind, member_id, title_id, name, asked_at, artwork_ids, prompt, answer, reward, propensity, propensities
FROM labelled_prompt
SEMI JOIN ranked_by_it USING (prompt_id)
LEFT JOIN (SELECT title_id, name FROM title) USING (title_id)
QUALIFY row_number() OVER (PARTITION BY kind ORDER BY md5(prompt_id)) <= $most
ORDER BY row_number() OVER (PARTITION BY kind ORDER BY md5(prompt_id)), kind
LIMIT $most;
