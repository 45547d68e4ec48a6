-- An artwork may change its file later, and a failed description may be tried again: what counts is the newest state and
-- the best description before the prompt was made.
CREATE OR REPLACE VIEW lineage AS
WITH candidate AS (
    SELECT prompt_id, kind, impression_id, member_id, title_id, asked_at, template_key, recipe_key, model_key, answer,
           reward, propensity,
           run_id AS prompt_run_id,
           least(computed_at, coalesce(as_of, computed_at)) AS known_until,
           unnest(artwork_ids) AS artwork_id,
           generate_subscripts(artwork_ids, 1)::INTEGER AS place
    FROM labelled_prompt
),
told AS (
    SELECT *, CASE status WHEN 'ok' THEN 2 WHEN 'invalid_fields' THEN 1 ELSE 0 END AS worth
    FROM description
    QUALIFY worth > coalesce(max(worth) OVER (
        PARTITION BY image_sha256, model_key ORDER BY computed_at, run_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), -1)
)
SELECT prompt_id, candidate.kind, impression_id, member_id, candidate.title_id, asked_at, place,
       candidate.artwork_id,
       substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', place, 1) AS letter,
       letter = answer AS shown, reward, propensity,
       artwork.uri, artwork.image_sha256,
       description.caption, description.status AS description_status,
       candidate.model_key, model.backend, model.fingerprint,
       template_key, recipe_key, recipe_key IN ($logged_prompt, $nightly_prompt) AS current, prompt_run_id,
       artwork.run_id AS artwork_run_id, description.run_id AS description_run_id,
       prompt_run.started_at AS prompt_run_at, prompt_run.code_version
FROM candidate
ASOF LEFT JOIN artwork ON artwork.artwork_id = candidate.artwork_id AND artwork.seen_at < known_until
ASOF LEFT JOIN told AS description
    ON description.image_sha256 = artwork.image_sha256 AND description.model_key = candidate.model_key
    AND description.computed_at <= known_until
LEFT JOIN model ON model.model_key = candidate.model_key
LEFT JOIN run AS prompt_run ON prompt_run.run_id = prompt_run_id;
COMMENT ON VIEW lineage IS 'As prompt_lineage, for the prompts of every recipe';
