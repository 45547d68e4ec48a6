-- A title is the mean of the vectors of what is said of it: the captions of its artworks, and its synopsis.
CREATE OR REPLACE MACRO similar_title(wanted, k) AS TABLE
WITH said AS (
    SELECT title_id, sha256(caption) AS text_sha256
    FROM artwork_present JOIN described USING (image_sha256)
    WHERE model_key = $description AND caption <> ''
    UNION
    SELECT title_id, sha256(synopsis) FROM title WHERE synopsis <> ''
),
number AS (
    SELECT title_id, unnest(embedding) AS value, generate_subscripts(embedding, 1) AS place
    FROM said JOIN text_embedding USING (text_sha256)
    WHERE model_key = $text_embedding
),
whole AS (
    SELECT title_id, list(value ORDER BY place) AS vector
    FROM (SELECT title_id, place, sum(value) AS value FROM number GROUP BY title_id, place)
    GROUP BY title_id
)
SELECT whole.title_id, name, list_cosine_similarity(vector, (SELECT vector FROM whole WHERE title_id = wanted)) AS cosine
FROM whole LEFT JOIN title USING (title_id)
WHERE whole.title_id <> wanted AND cosine IS NOT NULL
ORDER BY cosine DESC, whole.title_id
LIMIT k;
COMMENT ON MACRO TABLE similar_title IS 'similar_title(title_id, k): the k titles of which the most similar things are said, by the cosine of the mean vectors of captions and synopses by the current model of texts';
