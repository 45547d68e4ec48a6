-- Vectors have length 1, so the dot product is the cosine; on lists it is faster than after a cast to FLOAT[n]. It is
-- computed right where the vectors are read: whatever carries them further costs more than all the rest.
CREATE OR REPLACE MACRO similar_artwork(wanted, k) AS TABLE
WITH asked AS MATERIALIZED (
    SELECT embedding
    FROM image_embedding
    WHERE model_key = $image_embedding
      AND image_sha256 = (SELECT image_sha256 FROM artwork_present WHERE artwork_id = wanted)
    LIMIT 1
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
    WHERE artwork_id <> wanted
    ORDER BY cosine DESC, artwork_id
    LIMIT k
)
FROM nearest
WHERE cosine IS NOT NULL  -- as it is when there is no such artwork
ORDER BY cosine DESC, artwork_id;
COMMENT ON MACRO TABLE similar_artwork IS 'similar_artwork(artwork_id, k): the k present artworks that look most like one, by the cosine of the current embeddings';
