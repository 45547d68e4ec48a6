-- The newest state of every picture on a web host, by which the host can be asked whether it is still the same. One whose
-- header could not be read is left out where it is to be read again, as in unread.sql.
CREATE TABLE stated AS
SELECT uri, image_sha256, size, modified, etag, format, width, height, clip
FROM seen_before
WHERE $asked AND uri LIKE 'https://%' AND (etag IS NOT NULL OR modified IS NOT NULL)
  AND (clip OR format IS NOT NULL OR image_sha256 IN (SELECT image_sha256 FROM quarantine))
QUALIFY row_number() OVER (PARTITION BY uri ORDER BY seen_at DESC, run_id DESC) = 1
