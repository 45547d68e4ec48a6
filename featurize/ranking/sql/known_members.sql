-- How many members the log to learn from has, and how many of them had played something before one of their prompts.
WITH first_play AS (
    SELECT member_id, min(history."at") AS moment
    FROM history SEMI JOIN title USING (title_id)
    WHERE event = 'play'
    GROUP BY member_id
)
SELECT count(DISTINCT member_id) AS members, count(DISTINCT member_id) FILTER (WHERE moment < asked_at) AS known
FROM training LEFT JOIN first_play USING (member_id)
