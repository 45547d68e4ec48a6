-- Who is on a candidate of a question, by the place of its moment in the order of history.
SELECT DISTINCT past.rowid AS moment, person_no::BIGINT AS number
FROM past JOIN question USING (moment_no) JOIN choice USING (question_no) JOIN depicted USING (state_no)
ORDER BY moment, number;
