-- Vectors of the present artworks' pictures by the current model, each picture of a title once.
SELECT title_no, list_transform(embedding, lambda x: x::FLOAT) AS embedding
FROM (
    SELECT DISTINCT title_id, image_sha256
    FROM artwork_present
)
JOIN title_number USING (title_id)
JOIN image_embedding USING (image_sha256)
WHERE model_key = $model_key
QUALIFY row_number() OVER (PARTITION BY title_no, image_sha256) = 1
ORDER BY title_no, image_sha256;
