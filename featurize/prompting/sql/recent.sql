-- The $recent events right before each moment.
CREATE OR REPLACE TEMP TABLE recent AS
SELECT moment_no, e.rowid AS place, title_no, kind,
    CASE WHEN $until_then THEN minutes_until(minutes, happened_at, asked_at) ELSE minutes END AS minutes,
    whole_hours(happened_at, asked_at) AS hours
FROM (SELECT moment_no, asked_at, unnest(range(greatest(first_row, end_row - $recent), end_row)) AS place FROM past) p
JOIN event e ON e.rowid = p.place
ORDER BY moment_no, place;
