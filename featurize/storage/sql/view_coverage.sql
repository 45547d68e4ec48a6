CREATE OR REPLACE VIEW coverage AS
WITH today AS (
    SELECT count(DISTINCT image_sha256) AS pictures FROM artwork_present
),
finished AS (
    SELECT feature, model_key, count(DISTINCT image_sha256) AS count
    FROM feature_row
    SEMI JOIN artwork_present USING (image_sha256)
    GROUP BY feature, model_key
),
refused AS (
    SELECT feature, model_key, count(*) AS count FROM quarantine_by_model GROUP BY feature, model_key
)
SELECT feature, model_key, current, pictures,
       coalesce(finished.count, 0) AS done,
       coalesce(refused.count, 0) AS quarantined,
       pictures - done - quarantined AS pending
FROM feature_model
CROSS JOIN today
LEFT JOIN finished USING (feature, model_key)
LEFT JOIN refused USING (feature, model_key)
ORDER BY feature, current DESC, model_key;
COMMENT ON VIEW coverage IS 'Of the distinct pictures of today''s catalogue, how many each model has done, cannot do, and has still to do';
