-- The expected reward of each candidate of the prompts whose impression is in this world.
SELECT prompt.number, prompt.place, reward.expected_reward
FROM (
    SELECT number, impression_id, title_id, asked_at, artwork_ids[shown + 1] AS shown_id,
        unnest(artwork_ids) AS artwork_id, generate_subscripts(artwork_ids, 1) - 1 AS place
    FROM prompt
) AS prompt
JOIN impression ON impression.impression_id = prompt.impression_id AND impression.title_id = prompt.title_id
    AND impression.artwork_id = prompt.shown_id AND impression."at" = prompt.asked_at
JOIN reward ON reward.impression_id = prompt.impression_id AND reward.artwork_id = prompt.artwork_id
ORDER BY prompt.number, prompt.place;
