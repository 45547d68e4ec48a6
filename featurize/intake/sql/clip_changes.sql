-- Rows to append to `clip`, as artwork_changes.sql finds those of `artwork`.
WITH newest AS (
    SELECT * FROM clip
    QUALIFY row_number() OVER (PARTITION BY clip_id ORDER BY seen_at DESC, run_id DESC) = 1
),
now_listed AS (
    SELECT artwork_id AS clip_id, title_id, uri, image_sha256 AS clip_sha256, size, modified, etag, format,
           kind, locale, priority, valid_from, valid_to, depicts, maturity, $source AS source, true AS present
    FROM catalogue
    WHERE image_sha256 IS NOT NULL AND clip
),
said AS (
    SELECT clip_id, title_id, uri, clip_sha256, size, modified, etag, format,
           kind, locale, priority, valid_from, valid_to, depicts, maturity, source, present
    FROM newest
),
changed AS (
    (SELECT * FROM now_listed EXCEPT SELECT * FROM said)
    UNION ALL
    SELECT * REPLACE (false AS present) FROM said
    WHERE present AND list_contains($sources, source)
      AND clip_id NOT IN (SELECT artwork_id FROM catalogue WHERE coalesce(clip, true))
)
SELECT changed.*, greatest($now::TIMESTAMPTZ, newest.seen_at + INTERVAL 1 microsecond) AS seen_at
FROM changed LEFT JOIN newest USING (clip_id)
