-- Of each present artwork the vector of its caption, by the current models.
SELECT artwork_id, list_transform(embedding, lambda x: x::FLOAT) AS embedding
FROM artwork_present
JOIN described USING (image_sha256)
SEMI JOIN describer ON describer.model_key = described.model_key
JOIN text_embedding ON text_sha256 = sha256(caption)
WHERE text_embedding.model_key = $model_key
QUALIFY row_number() OVER (PARTITION BY artwork_id) = 1
ORDER BY artwork_id;
