CREATE OR REPLACE VIEW quarantine_by_model AS
SELECT feature_model.feature, feature_model.model_key, current, quarantine.* RENAME (model_key AS failed_key)
FROM quarantine
JOIN feature_model ON quarantine.stage <> 'model' OR quarantine.model_key = fails_as
SEMI JOIN artwork_present ON artwork_present.image_sha256 = quarantine.image_sha256
ANTI JOIN feature_row ON feature_row.model_key = fails_as AND feature_row.image_sha256 = quarantine.image_sha256
QUALIFY row_number() OVER (
    PARTITION BY feature_model.feature, feature_model.model_key, quarantine.image_sha256
    ORDER BY quarantine.computed_at DESC, attempts DESC
) = 1;
COMMENT ON VIEW quarantine_by_model IS 'Why a present picture has no row of a model: the newest attempt. A failure that a later attempt mended is not here';
