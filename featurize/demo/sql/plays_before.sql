-- How often each member played each title before the first impression.
SELECT member_id, title_id, count(*)::DOUBLE AS plays
FROM history
WHERE event = 'play' AND "at" < (SELECT min("at") FROM impression)
GROUP BY ALL
ORDER BY ALL
