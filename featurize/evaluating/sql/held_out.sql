-- The rounds: held-out prompts of the current recipe, each with what was shown, its newest label, and what slices are by.
SELECT row_number() OVER (ORDER BY prompt_id) - 1 AS number,
    prompt_id, impression_id, member_id, title_id, asked_at, artwork_ids, recipe_key,
    shown_place - 1 AS shown,
    reward, propensity, propensities, device, genres,
    member_id IN (SELECT member_id FROM trained) AS member_trained,
    (member_id, title_id) IN (SELECT (member_id, title_id) FROM trained) AS pair_trained,
    title_id IN (SELECT title_id FROM trained) AS title_trained,
    (SELECT count(*) FROM logged WHERE logged.member_id = p.member_id AND logged.asked_at < p.asked_at) AS shown_before
FROM logged p LEFT JOIN title USING (title_id)
WHERE split = 'held_out'
ORDER BY number;
