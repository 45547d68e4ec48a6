-- Smoothed take rates of what was shown in the training prompts, of its title, and of all.
WITH whole AS (
    SELECT avg(reward) AS rate FROM training
),
of_title AS (
    SELECT title_id, (sum(reward) + $prior * any_value(whole.rate)) / (count(*) + $prior) AS title_rate
    FROM training, whole
    GROUP BY title_id
)
SELECT title_id, artwork_id,
    (sum(reward) + $prior * any_value(title_rate)) / (count(*) + $prior) AS rate, any_value(title_rate),
    any_value(whole.rate)
FROM training JOIN of_title USING (title_id), whole
GROUP BY title_id, artwork_id
ORDER BY title_id, artwork_id
