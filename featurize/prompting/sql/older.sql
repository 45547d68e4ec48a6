-- The plays before those, counted by genre.
CREATE OR REPLACE TEMP TABLE older AS
SELECT moment_no, genre_no, count(*)::INTEGER AS plays
FROM event e
JOIN past p ON e.member_no = p.member_no AND e.rowid < p.end_row - $recent
JOIN title_genre USING (title_no)
WHERE kind = 'play'
GROUP BY ALL
ORDER BY moment_no;
