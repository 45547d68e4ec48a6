-- For each moment the range of rows of `event` that were before it, in the order of history.
CREATE OR REPLACE TEMP TABLE past AS
SELECT moment_no, any_value(m.member_no) AS member_no, any_value(asked_at) AS asked_at,
    min(e.rowid) AS first_row, max(e.rowid) + 1 AS end_row
FROM event e
JOIN (SELECT DISTINCT moment_no, member_no, asked_at FROM question JOIN member USING (member_id)) m
    ON e.member_no = m.member_no AND e.happened_at < m.asked_at
GROUP BY moment_no
ORDER BY first_row, end_row, moment_no;
