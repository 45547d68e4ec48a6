-- Vectors have length 1, so that the dot product is the cosine; on lists it is faster than after a cast to FLOAT[n].
CREATE OR REPLACE MACRO similar_artwork(wanted, k) AS TABLE
WITH embedded AS (
    FROM image_embedding WHERE model_key = (SELECT model_key FROM current_model WHERE feature = 'image_embedding')
),
asked AS (
    SELECT embedding FROM embedded SEMI JOIN artwork_present
        ON artwork_present.image_sha256 = embedded.image_sha256 AND artwork_id = wanted
    LIMIT 1
),
nearest AS (
    SELECT embedded.image_sha256, list_dot_product(embedded.embedding, asked.embedding) AS cosine
    FROM embedded, asked
    SEMI JOIN artwork_present ON artwork_present.image_sha256 = embedded.image_sha256
    ORDER BY cosine DESC
    LIMIT k + 1
)
SELECT DISTINCT artwork_id, title_id, cosine, uri
FROM nearest
JOIN artwork_present USING (image_sha256)
WHERE artwork_id <> wanted
ORDER BY cosine DESC, artwork_id
LIMIT k;
COMMENT ON MACRO TABLE similar_artwork IS 'similar_artwork(artwork_id, k): the k present artworks that look most like one, by the cosine of the current embeddings';
