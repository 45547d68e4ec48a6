CREATE OR REPLACE VIEW feature_row AS
SELECT 'image_embedding' AS feature, model_key, image_sha256, 'ok' AS status FROM image_embedding
UNION ALL
SELECT 'image_tag', model_key, image_sha256, 'ok' FROM image_tag
UNION ALL
SELECT 'description', model_key, image_sha256, status FROM described;
COMMENT ON VIEW feature_row IS 'What has been computed: table, model and picture, and whether it worked: status is that of a description, else ok. A picture has many rows in image_tag';
