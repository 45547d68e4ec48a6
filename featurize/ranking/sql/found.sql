-- The prompts to rank. Their propensities and candidates are told by as much as planning needs of them.
CREATE OR REPLACE TEMP TABLE prompt_to_rank AS
SELECT prompt_id, member_id, asked_at, kind, tokens_by, template_key, len(artwork_ids)::INTEGER AS candidates,
    CASE WHEN propensities IS NOT NULL THEN true END AS propensities, replace(__filename, $folder, '') AS source
FROM found
WHERE kind = 'nightly' OR $split IN ('all', split)
