CREATE OR REPLACE VIEW quarantine_by_model AS
WITH today AS (
    SELECT DISTINCT image_sha256, false AS clip FROM artwork_present
    UNION ALL
    SELECT DISTINCT clip_sha256, true FROM clip_present
)
SELECT feature_model.feature, feature_model.model_key, current, quarantine.* EXCLUDE (artwork_ids) RENAME (model_key AS failed_key)
FROM quarantine
JOIN feature_model ON quarantine.stage <> 'model' OR quarantine.model_key = fails_as
SEMI JOIN today ON today.image_sha256 = quarantine.image_sha256 AND today.clip = (of_clips IS NOT NULL)
ANTI JOIN feature_row ON feature_row.model_key = fails_as AND feature_row.image_sha256 = quarantine.image_sha256
-- A clip whose frames cannot be decoded may well have sound.
ANTI JOIN model AS decoder
    ON decoder.model_key = quarantine.model_key AND quarantine.stage <> 'model' AND decoder.fingerprint->>'gives' <> of_clips
QUALIFY row_number() OVER (
    PARTITION BY feature_model.feature, feature_model.model_key, quarantine.image_sha256
    ORDER BY quarantine.computed_at DESC, attempts DESC
) = 1;
COMMENT ON VIEW quarantine_by_model IS 'Why a present picture or clip has no row of a model: the newest attempt. A failure that a later attempt mended is not here';
