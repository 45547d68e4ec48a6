-- The $events newest events of each question's own title, from before its moment.
CREATE OR REPLACE TEMP TABLE earlier_event AS
SELECT question_no, e.rowid AS place, kind, minutes_until(e.minutes, e.happened_at, p.asked_at) AS minutes,
    goes_on(true, e.minutes, e.happened_at, p.asked_at) AS going_on,
    whole_hours(e.happened_at, p.asked_at) AS hours
FROM question JOIN past p USING (moment_no) JOIN title USING (title_id)
JOIN event e ON e.member_no = p.member_no AND e.title_no = title.title_no AND e.rowid < p.end_row
QUALIFY row_number() OVER (PARTITION BY question_no ORDER BY e.rowid DESC) <= $events;
