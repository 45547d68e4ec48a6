CREATE OR REPLACE VIEW feature_model AS
WITH used AS (
    SELECT DISTINCT feature, model_key FROM feature_row
    UNION
    SELECT CASE phase WHEN 'embed' THEN 'image_embedding' WHEN 'tag' THEN 'image_tag' ELSE 'description' END, model_key
    FROM run_phase
    WHERE phase IN ('embed', 'tag', 'describe')
)
SELECT feature, model_key,
       current_model.model_key IS NOT NULL AS current,
       CASE feature WHEN 'image_tag' THEN fingerprint->>'image' ELSE model_key END AS fails_as
FROM used
LEFT JOIN current_model USING (feature, model_key)
LEFT JOIN model USING (model_key);
COMMENT ON VIEW feature_model IS 'Models that fill a table, today or earlier; fails_as is the model_key of their rows in quarantine: that of the embeddings for a tagger';
