CREATE OR REPLACE VIEW clip_features AS
WITH present AS (
    SELECT * FROM clip QUALIFY row_number() OVER (PARTITION BY clip_id ORDER BY seen_at DESC, run_id DESC) = 1
),
seen AS (SELECT * FROM clip_description WHERE model_key = $clip_description),
said AS (SELECT * FROM transcript WHERE model_key = $transcript),
heard AS (SELECT * FROM sound_description WHERE model_key = $sound_description),
refused AS (
    SELECT image_sha256 AS clip_sha256, list(DISTINCT reason ORDER BY reason) AS refused
    FROM quarantine
    GROUP BY image_sha256
)
SELECT clip_id, title_id, kind, locale, uri, clip_sha256, format,
       coalesce(seen.seconds, said.seconds, heard.seconds) AS seconds,
       seen.description, seen.status AS description_status,
       said.text AS transcript, said.status AS transcript_status,
       heard.description AS sound, heard.status AS sound_status,
       refused
FROM present
LEFT JOIN seen USING (clip_sha256)
LEFT JOIN said USING (clip_sha256)
LEFT JOIN heard USING (clip_sha256)
LEFT JOIN refused USING (clip_sha256)
WHERE present.present;
COMMENT ON VIEW clip_features IS 'Clips of today''s catalogue with their words by the current models; refused has the reasons of quarantine, of any attempt';
