-- Of which genres the candidates of a question are, where that is said, by the place of its moment in the order of
-- history.
SELECT DISTINCT past.rowid AS moment, genre_no::BIGINT AS number
FROM past JOIN question USING (moment_no) JOIN choice USING (question_no)
WHERE genre_no IS NOT NULL
ORDER BY moment, number;
