-- Every row of history with what keeps it from being a play that is learnt from; NULL where nothing does.
CREATE TEMP VIEW told AS
SELECT member_id, h.title_id, "at", CASE
    WHEN fault <> 'bad_minutes' THEN fault
    WHEN member_id IS NULL OR member_id = '' OR h.title_id IS NULL OR h.title_id = '' OR event IS NULL OR "at" IS NULL
        THEN 'incomplete'
    WHEN event <> 'play' THEN 'no play'
    WHEN NOT isfinite("at") OR "at" > $now OR "at" < TIMESTAMPTZ '1970-01-01 00:00:00+00' THEN 'bad_time'
    WHEN t.title_id IS NULL THEN 'unknown_title'
END AS reason,
coalesce(fault_example, concat_ws(', ', 'member ' || coalesce('''' || member_id || '''', 'missing'),
    'title ' || coalesce('''' || h.title_id || '''', 'missing'), 'event ' || coalesce('''' || event || '''', 'missing'),
    'at ' || coalesce("at"::VARCHAR, 'missing'))) AS example
FROM history h LEFT JOIN title_number t ON t.title_id = h.title_id;
