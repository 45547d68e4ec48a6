SELECT title_id, name, year, genres, synopsis, "cast"
FROM shown_title LEFT JOIN title USING (title_id)
ORDER BY lower(coalesce(name, title_id)), title_id;
