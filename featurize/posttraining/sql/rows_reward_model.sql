-- Every answer that was logged, whatever came of it, with all that could have been shown instead.
SELECT prompt_id, recipe_key, member_id, tokens_by, messages, slots, len(artwork_ids)::INTEGER AS choices,
    answer, NULL::VARCHAR AS rejected, reward, 1.0::DOUBLE AS weight, 1 / propensity > $clip AS clipped,
    asked_at, device, artwork_ids, propensity,
    len(list_filter(same_as, lambda place: place = same_as[instr($letters, answer)])) > 1 AS alike
FROM current_prompt
WHERE kind = 'logged' AND split = 'train'
ORDER BY prompt_id
