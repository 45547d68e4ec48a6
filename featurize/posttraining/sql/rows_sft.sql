-- The answers of prompts that ended in a quality play.
SELECT prompt_id, recipe_key, member_id, tokens_by, messages, slots, len(artwork_ids)::INTEGER AS choices,
    p.answer, NULL::VARCHAR AS rejected, 1.0::DOUBLE AS weight, false AS clipped,
    sft.prompt_id IS NULL AS alike
FROM played p LEFT JOIN sft USING (prompt_id, recipe_key)
WHERE p.split = 'train'
ORDER BY prompt_id
