-- What one ranker chose in the prompts of members of one bucket that have no row of `choice` yet. What is shown is drawn
-- by a number between 0 and 1 that follows from seed and prompt: the first artwork by id at which the propensities before
-- it and its own come to more. A policy that does not explore has one artwork with all of it.
WITH wanted AS (
    SELECT prompt_id, member_id, title_id, asked_at
    FROM prompt
    WHERE md5(member_id)[1] = $bucket
        AND prompt_id NOT IN (SELECT prompt_id FROM choice WHERE model_key = $model_key AND md5(member_id)[1] = $bucket)
),
candidate AS (
    SELECT wanted.*, artwork_id, rank, probability, propensity,
        sum(propensity) OVER (PARTITION BY prompt_id ORDER BY artwork_id) AS up_to,
        md5_number_lower(concat($seed, '|', prompt_id)) / 18446744073709551616.0 AS drawn
    FROM ranking JOIN wanted USING (prompt_id)
),
chosen AS (
    SELECT prompt_id, any_value(member_id) AS member_id, any_value(title_id) AS title_id, any_value(asked_at) AS valid_from,
        -- Where rounding leaves the sum below what was drawn, the last one that can be shown.
        coalesce(
            arg_min(artwork_id, artwork_id) FILTER (up_to > drawn AND propensity > 0),
            arg_max(artwork_id, artwork_id) FILTER (propensity > 0)) AS artwork_id,
        list({'id': artwork_id, 'probability': probability, 'propensity': propensity} ORDER BY rank) AS ranked
    FROM candidate
    GROUP BY prompt_id
),
told AS (
    SELECT *, list_filter(ranked, lambda each: each.id = artwork_id)[1] AS own,
        list_filter(ranked, lambda each: each.id <> artwork_id)[1] AS other
    FROM chosen
)
SELECT member_id, title_id, artwork_id, other.id AS runner_up, own.probability - other.probability AS margin, own.propensity,
    CASE WHEN $explores THEN list_transform(ranked, lambda each: each.id) END AS artwork_ids,
    CASE WHEN $explores THEN list_transform(ranked, lambda each: each.propensity) END AS propensities,
    $model_key AS model_key, prompt_id, valid_from,
    $run_id AS run_id, $code_version AS code_version, $computed_at::TIMESTAMPTZ AS computed_at
FROM told
ORDER BY member_id, title_id, valid_from;
