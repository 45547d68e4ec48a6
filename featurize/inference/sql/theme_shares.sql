-- Of each row of `moment` the plays from strictly before it, by genre of the title played.
WITH genre AS (
    SELECT title_id, unnest(genres) AS name FROM title
)
SELECT moment_no, list_position($genres, genre.name)::INTEGER - 1 AS genre_no, count(*)::DOUBLE AS plays
FROM moment
JOIN history ON history.member_id = moment.member_id AND history."at" < moment.asked_at AND history.event = 'play'
JOIN genre ON genre.title_id = history.title_id
GROUP BY ALL
