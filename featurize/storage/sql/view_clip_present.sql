CREATE OR REPLACE VIEW clip_present AS
SELECT *, coalesce(format IN ('WAV', 'FLAC', 'MP3', 'M4A'), false) AS sound FROM (
    FROM clip QUALIFY row_number() OVER (PARTITION BY clip_id ORDER BY seen_at DESC, run_id DESC) = 1
)
WHERE present;
COMMENT ON VIEW clip_present IS 'Videos and sound of the catalogue of today, as artwork_present has the artworks; sound: it has no frames';
