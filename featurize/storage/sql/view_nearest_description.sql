-- As nearest_artwork, in the space of words: exact, and with all of them.
CREATE OR REPLACE MACRO nearest_description(vector, k) AS TABLE
WITH asked AS MATERIALIZED (
    SELECT vector AS embedding
),
scored AS (
    SELECT text_sha256, list_dot_product(embedding, (FROM asked)) AS cosine
    FROM text_embedding
    WHERE model_key = $text_embedding
),
said AS (
    SELECT image_sha256, caption, sha256(caption) AS text_sha256
    FROM described
    WHERE model_key = $description AND caption <> ''
)
SELECT artwork_id, title_id, cosine, caption, uri
FROM scored
JOIN said USING (text_sha256)
JOIN artwork_present USING (image_sha256)
WHERE cosine IS NOT NULL
ORDER BY cosine DESC, artwork_id
LIMIT k;
COMMENT ON MACRO TABLE nearest_description IS 'nearest_description(vector, k): the k present artworks whose current captions are nearest to a unit-norm vector of the current model of texts, such as one of text_embedding';
