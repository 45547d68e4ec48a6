-- The first row of history that cannot be used for $reason, in words; with $name, of that unknown event.
SELECT coalesce(fault_example, concat_ws(', ',
    CASE WHEN $members THEN 'member ' || coalesce('''' || member_id || '''', 'missing') END,
    'title ' || coalesce('''' || title_id || '''', 'missing'),
    'event ' || coalesce('''' || event || '''', 'missing'),
    'at ' || coalesce("at"::VARCHAR, 'missing'),
    CASE WHEN $reason = 'bad_minutes' THEN 'minutes ' || minutes END
))
FROM history LEFT JOIN title USING (title_id)
WHERE coalesce(
        history_fault(fault, member_id, title_id, title_no, event, "at", $now),
        CASE WHEN event = 'play' AND bad_minutes(fault, minutes) THEN 'bad_minutes' END
    ) = $reason
    AND ($name IS NULL OR event = $name)
LIMIT 1;
