-- Vectors of the texts of one kind that are said of titles, by one model.
SELECT title_no, list_transform(embedding, lambda x: x::FLOAT) AS embedding
FROM said
JOIN title_number USING (title_id)
JOIN text_embedding ON text_sha256 = sha256(said.text)
WHERE kind = $kind AND model_key = $model_key
QUALIFY row_number() OVER (PARTITION BY title_no, text_sha256) = 1
ORDER BY title_no, text_sha256;
