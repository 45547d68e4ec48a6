-- Of all members asked about, also those whose prompts are there already, how many have history from before.
SELECT count(DISTINCT member_no)
FROM history h
JOIN (
    SELECT member_id, member_no, max(asked_at) AS latest FROM asked JOIN member USING (member_id) GROUP BY ALL
) USING (member_id)
JOIN title t ON t.title_id = h.title_id
WHERE h."at" < latest AND coalesce(fault = 'bad_minutes', true) AND known_event(event) AND NOT wrong_clock(h."at", $now);
