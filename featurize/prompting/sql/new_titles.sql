-- Titles in a state in which they were not read before.
SELECT title_id, name, year, genres, synopsis, "cast" FROM given_title
EXCEPT
SELECT title_id, name, year, genres, synopsis, "cast"
FROM (FROM title_state QUALIFY row_number() OVER (PARTITION BY title_id ORDER BY computed_at DESC) = 1)
ORDER BY title_id;
