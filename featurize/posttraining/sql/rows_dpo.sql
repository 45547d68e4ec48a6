-- The artwork that led to a quality play against each other candidate.
SELECT prompt_id, recipe_key, member_id, tokens_by, messages, slots, len(artwork_ids)::INTEGER AS choices,
    chosen[1].content AS answer, rejected[1].content AS rejected, 1.0::DOUBLE AS weight, false AS clipped,
    false AS alike
FROM dpo JOIN current_prompt USING (prompt_id, recipe_key)
WHERE dpo.split = 'train'
ORDER BY prompt_id, rejected[1].content
