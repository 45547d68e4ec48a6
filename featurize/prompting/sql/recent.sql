-- The $recent events right before each moment.
CREATE OR REPLACE TEMP TABLE recent AS
SELECT moment_no, e.rowid AS place, title_no, kind, minutes,
    ((epoch_us(asked_at) - epoch_us(happened_at)) // 3_600_000_000)::INTEGER AS hours
FROM (SELECT moment_no, asked_at, unnest(range(greatest(first_row, end_row - $recent), end_row)) AS place FROM past) p
JOIN event e ON e.rowid = p.place
ORDER BY moment_no, place;
