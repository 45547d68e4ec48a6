CREATE OR REPLACE VIEW feature_row AS
SELECT 'image_embedding' AS feature, model_key, image_sha256, 'ok' AS status FROM image_embedding
UNION ALL
SELECT 'image_tag', model_key, image_sha256, 'ok' FROM image_tag
UNION ALL
SELECT 'description', model_key, image_sha256, status FROM described
UNION ALL
SELECT 'clip_description', model_key, clip_sha256, if(status = 'empty', status, 'ok') FROM clip_description
UNION ALL
SELECT 'transcript', model_key, clip_sha256, if(status = 'empty', status, 'ok') FROM transcript
UNION ALL
SELECT 'sound_description', model_key, clip_sha256, if(status = 'empty', status, 'ok') FROM sound_description;
COMMENT ON VIEW feature_row IS 'What has been computed: table, model and picture or clip, and whether it worked: status is that of a description, of what is said of a clip ok or empty, else ok. A picture has many rows in image_tag';
