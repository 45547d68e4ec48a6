-- Every answer that was logged and came to something, by reward / propensity. What came to nothing would weigh nothing.
-- A letter whose words are those of another candidate says nothing about either.
SELECT prompt_id, recipe_key, member_id, tokens_by, messages, slots, len(artwork_ids)::INTEGER AS choices,
    answer, NULL::VARCHAR AS rejected, reward * least(1 / propensity, $clip) AS weight,
    1 / propensity > $clip AS clipped,
    len(list_filter(same_as, lambda place: place = same_as[instr($letters, answer)])) > 1 AS alike
FROM current_prompt
WHERE kind = 'logged' AND split = 'train' AND reward > 0
ORDER BY prompt_id
