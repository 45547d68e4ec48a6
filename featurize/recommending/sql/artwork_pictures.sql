-- Of each present artwork the vector of its picture, by the current model.
SELECT artwork_id, list_transform(embedding, lambda x: x::FLOAT) AS embedding
FROM artwork_present JOIN image_embedding USING (image_sha256)
WHERE model_key = $model_key
QUALIFY row_number() OVER (PARTITION BY artwork_id) = 1
ORDER BY artwork_id;
