-- The rows of history that cannot be used, whoever is asked about: how many by reason, unknown events by name.
SELECT reason, CASE WHEN reason = 'unknown_event' THEN event END AS name, count(*) AS rows
FROM (
    SELECT event, history_fault(fault, member_id, title_id, title_no, event, "at", $now) AS reason
    FROM history LEFT JOIN title USING (title_id)
)
WHERE reason IS NOT NULL
GROUP BY reason, name
ORDER BY reason, rows DESC, name;
