SELECT artwork_id, embedding
FROM image_embedding JOIN shown_artwork USING (image_sha256)
WHERE model_key = (SELECT model_key FROM current_model WHERE feature = 'image_embedding')
ORDER BY artwork_id;
