-- The prompts of impressions of the current recipe; shown_place is the place of what was shown, from 1.
CREATE OR REPLACE TEMP TABLE logged AS
SELECT prompt_id, impression_id, member_id, title_id, asked_at, artwork_ids, reward, propensity, propensities, device,
    split, recipe_key, instr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', answer) AS shown_place
FROM current_prompt
WHERE kind = 'logged';
