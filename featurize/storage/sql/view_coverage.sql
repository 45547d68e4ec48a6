CREATE OR REPLACE VIEW coverage AS
WITH today AS (
    SELECT 'pictures' AS given, count(DISTINCT image_sha256) AS pictures FROM artwork_present
    UNION ALL
    SELECT 'frames', count(DISTINCT clip_sha256) FILTER (NOT sound) FROM clip_present
    UNION ALL
    SELECT 'audio', count(DISTINCT clip_sha256) FROM clip_present
),
present AS (
    SELECT image_sha256 FROM artwork_present UNION ALL SELECT clip_sha256 FROM clip_present
),
finished AS (
    SELECT feature, model_key,
           sum(count) FILTER (status = 'ok') AS done,
           sum(count) FILTER (status <> 'ok') AS failed,
           map_from_entries(list((status, count) ORDER BY status) FILTER (status <> 'ok')) AS failed_as
    FROM (
        SELECT feature, model_key, status, count(DISTINCT image_sha256) AS count
        FROM feature_row
        SEMI JOIN present USING (image_sha256)
        GROUP BY feature, model_key, status
    )
    GROUP BY feature, model_key
),
refused AS (
    SELECT feature, model_key, count(*) AS count FROM quarantine_by_model GROUP BY feature, model_key
)
SELECT feature, model_key, current, pictures,
       coalesce(finished.done, 0)::BIGINT AS done,
       coalesce(finished.failed, 0)::BIGINT AS failed,
       coalesce(refused.count, 0) AS quarantined,
       pictures - coalesce(finished.done, 0)::BIGINT - coalesce(finished.failed, 0)::BIGINT - quarantined AS pending,
       coalesce(finished.failed_as, MAP {}) AS failed_as
FROM feature_model
JOIN today ON today.given = coalesce(of_clips, 'pictures')
LEFT JOIN finished USING (feature, model_key)
LEFT JOIN refused USING (feature, model_key)
ORDER BY feature, current DESC, model_key;
COMMENT ON VIEW coverage IS 'Of the distinct pictures of today''s catalogue, or of its clips that a model for clips is given, how many each model has done, has answered in a way that cannot be used (failed_as: the status of the description), cannot do, and has still to do';
