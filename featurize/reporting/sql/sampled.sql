-- Titles in an order that nothing but their ids decides, with the number of artworks that are shown of each.
SELECT title_id, least(count(*), $most_of_title) AS artworks
FROM artwork_present
GROUP BY title_id
ORDER BY md5(title_id), title_id;
