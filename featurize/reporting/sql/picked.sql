-- What is chosen, one row per member and title: what is to be shown; where no night has chosen yet, what the ranker that
-- ranked last puts first in the prompts it ranked.
WITH last_ranker AS (
    SELECT arg_max(model_key, (computed_at, model_key)) AS model_key FROM ranking
)
SELECT member_id, title_id, artwork_id, prompt_id, model_key, true AS is_choice FROM current_choice
UNION ALL
SELECT member_id, title_id, artwork_id, prompt_id, ranking.model_key, false
FROM ranking JOIN prompt USING (prompt_id)
WHERE rank = 1 AND ranking.model_key = (SELECT model_key FROM last_ranker) AND NOT EXISTS (FROM choice);
