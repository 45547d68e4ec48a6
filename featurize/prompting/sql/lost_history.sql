-- The rows of history that cannot be used, whoever is asked about: how many by reason, unknown events by name, each with
-- one of them in words. A play with bad_minutes is used without them.
SELECT reason, name, rows, coalesce(one.fault_example, concat_ws(', ',
    CASE WHEN $members THEN 'member ' || coalesce('''' || one.member_id || '''', 'missing') END,
    'title ' || coalesce('''' || one.title_id || '''', 'missing'),
    'event ' || coalesce('''' || one.event || '''', 'missing'),
    'at ' || coalesce(one."at"::VARCHAR, 'missing'),
    CASE WHEN reason = 'bad_minutes' THEN 'minutes ' || one.minutes END
)) AS example
FROM (
    SELECT reason, CASE WHEN reason = 'unknown_event' THEN event END AS name, count(*) AS rows, any_value(one) AS one
    FROM (
        SELECT event, coalesce(
            history_fault(fault, member_id, title_id, title_no, event, "at", $now),
            CASE WHEN event = 'play' AND bad_minutes(fault, minutes) THEN 'bad_minutes' END
        ) AS reason, struct_pack(fault_example, member_id, title_id, event, "at", minutes) AS one
        FROM history LEFT JOIN title USING (title_id)
    )
    WHERE reason IS NOT NULL
    GROUP BY reason, name
)
ORDER BY reason, rows DESC, name;
