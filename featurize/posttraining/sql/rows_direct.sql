-- Every answer that was logged, whatever came of it: what came to nothing says as much.
-- A letter whose words are those of another candidate says nothing about either.
SELECT prompt_id, recipe_key, member_id, tokens_by, messages, slots, len(artwork_ids)::INTEGER AS choices,
    answer, NULL::VARCHAR AS rejected, reward, 1.0::DOUBLE AS weight, false AS clipped,
    len(list_filter(same_as, lambda place: place = same_as[instr($letters, answer)])) > 1 AS alike
FROM current_prompt
WHERE kind = 'logged' AND split = 'train'
ORDER BY prompt_id
