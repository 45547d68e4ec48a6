CREATE OR REPLACE VIEW feature_model AS
WITH phase_of (feature, phase) AS (
    VALUES ('image_embedding', 'embed'), ('image_tag', 'tag'), ('description', 'describe'),
           ('clip_description', 'clips'), ('transcript', 'speech'), ('sound_description', 'sound')
),
used AS (
    SELECT DISTINCT feature, model_key FROM feature_row
    UNION
    SELECT feature, model_key FROM run_phase JOIN phase_of USING (phase)
)
SELECT feature, model_key,
       current_model.model_key IS NOT NULL AS current,
       CASE feature WHEN 'image_tag' THEN fingerprint->>'image' ELSE model_key END AS fails_as,
       CASE feature
           WHEN 'clip_description' THEN 'frames'
           WHEN 'transcript' THEN 'audio'
           WHEN 'sound_description' THEN 'audio'
       END AS of_clips
FROM used
LEFT JOIN current_model USING (feature, model_key)
LEFT JOIN model USING (model_key);
COMMENT ON VIEW feature_model IS 'Models that fill a table, today or earlier; fails_as is the model_key of their rows in quarantine: that of the embeddings for a tagger; of_clips says what they are given of clips, and is NULL for those of pictures';
