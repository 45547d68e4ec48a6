CREATE OR REPLACE VIEW recipe AS
SELECT kind, recipe_key,
       recipe_key IN ($logged_prompt, $nightly_prompt) AS current,
       count(*) AS prompts,
       min(asked_at) AS first_asked_at, max(asked_at) AS last_asked_at,
       any_value(prompt.model_key) AS descriptions, any_value(template_key) AS template_key,
       any_value(model.fingerprint) AS fingerprint
FROM prompt LEFT JOIN model ON model.model_key = recipe_key
GROUP BY kind, recipe_key
ORDER BY kind, current DESC, recipe_key;
COMMENT ON VIEW recipe IS 'One row per recipe that has prompts; current are those that current_prompt, sft, dpo and prompt_lineage show';
