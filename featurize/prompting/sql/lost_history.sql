-- The rows of history that cannot be used, whoever is asked about: how many by reason, unknown events by name. A play
-- with bad_minutes is used without them.
SELECT reason, CASE WHEN reason = 'unknown_event' THEN event END AS name, count(*) AS rows
FROM (
    SELECT event, coalesce(
        history_fault(fault, member_id, title_id, title_no, event, "at", $now),
        CASE WHEN event = 'play' AND bad_minutes(fault, minutes) THEN 'bad_minutes' END
    ) AS reason
    FROM history LEFT JOIN title USING (title_id)
)
WHERE reason IS NOT NULL
GROUP BY reason, name
ORDER BY reason, rows DESC, name;
