-- Vectors have length 1, so the dot product is the cosine; on lists it is faster than after a cast to FLOAT[n]. It is
-- computed right where the vectors are read: whatever carries them further costs more than all the rest.
CREATE OR REPLACE MACRO nearest_artwork(vector, k) AS TABLE
WITH asked AS MATERIALIZED (
    SELECT vector AS embedding
),
scored AS (
    SELECT image_sha256, list_dot_product(embedding, (FROM asked)) AS cosine
    FROM image_embedding
    WHERE model_key = $image_embedding
),
nearest AS (
    SELECT artwork_id, title_id, cosine, uri
    FROM scored
    JOIN artwork_present USING (image_sha256)
    ORDER BY cosine DESC, artwork_id
    LIMIT k
)
FROM nearest
WHERE cosine IS NOT NULL  -- as it is when there is no vector to compare with
ORDER BY cosine DESC, artwork_id;
COMMENT ON MACRO TABLE nearest_artwork IS 'nearest_artwork(vector, k): the k present artworks whose current embeddings are nearest to a unit-norm vector of the same model, such as one of text_embedding';
