-- Rows to append to `artwork`: what the catalogue says now and did not say before, and what this source dropped. A row is
-- newer than the one it follows, also where that was written by a machine whose clock was fast.
WITH newest AS (
    SELECT * FROM artwork
    QUALIFY row_number() OVER (PARTITION BY artwork_id ORDER BY seen_at DESC, run_id DESC) = 1
),
now_listed AS (
    SELECT artwork_id, title_id, uri, image_sha256, size, modified, etag, format, width, height,
           kind, locale, priority, valid_from, valid_to, depicts, maturity, $source AS source, true AS present
    FROM catalogue
    WHERE image_sha256 IS NOT NULL AND NOT clip
),
said AS (
    SELECT artwork_id, title_id, uri, image_sha256, size, modified, etag, format, width, height,
           kind, locale, priority, valid_from, valid_to, depicts, maturity, source, present
    FROM newest
),
changed AS (
    (SELECT * FROM now_listed EXCEPT SELECT * FROM said)
    UNION ALL
    SELECT * REPLACE (false AS present) FROM said
    WHERE present AND list_contains($sources, source)
      AND artwork_id NOT IN (SELECT artwork_id FROM catalogue WHERE NOT coalesce(clip, false))
)
SELECT changed.*, greatest($now::TIMESTAMPTZ, newest.seen_at + INTERVAL 1 microsecond) AS seen_at
FROM changed LEFT JOIN newest USING (artwork_id)
