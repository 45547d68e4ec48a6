-- The rounds: held-out prompts of the current recipe, each with what was shown, its newest label, and what slices are by.
SELECT row_number() OVER (ORDER BY prompt_id) - 1 AS number,
    prompt_id, impression_id, member_id, title_id, asked_at, artwork_ids, recipe_key,
    shown_place - 1 AS shown,
    reward, propensity, propensities, device, genres,
    member_id IN (SELECT member_id FROM trained) AS member_trained,
    (member_id, title_id) IN (SELECT (member_id, title_id) FROM trained) AS pair_trained,
    title_id IN (SELECT title_id FROM trained) AS title_trained,
    nth - 1 AS shown_before, coalesce(first_event < asked_at, false) AS with_history
FROM (SELECT *, rank() OVER (PARTITION BY member_id ORDER BY asked_at) AS nth FROM logged)
LEFT JOIN title USING (title_id)
LEFT JOIN (
    SELECT member_id, min("at") AS first_event
    FROM history SEMI JOIN logged USING (member_id)
    GROUP BY member_id
) USING (member_id)
WHERE split = 'held_out'
ORDER BY number;
