CREATE OR REPLACE MACRO similar_artwork(wanted, k) AS TABLE
SELECT artwork_id, title_id, cosine, uri
FROM nearest_artwork(
    (
        SELECT embedding
        FROM image_embedding
        WHERE model_key = $image_embedding
          AND image_sha256 = (SELECT image_sha256 FROM artwork_present WHERE artwork_id = wanted)
        LIMIT 1
    ),
    k + 1
)
WHERE artwork_id <> wanted
ORDER BY cosine DESC, artwork_id
LIMIT k;
COMMENT ON MACRO TABLE similar_artwork IS 'similar_artwork(artwork_id, k): the k present artworks that look most like one, by the cosine of the current embeddings';
