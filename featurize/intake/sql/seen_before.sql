-- Every state of every picture and clip that the store knows, in one form: `clip` says which it is.
CREATE OR REPLACE TEMP VIEW seen_before AS
SELECT artwork_id, uri, image_sha256, size, modified, etag, format, width, height, source, present, seen_at, run_id,
       false AS clip
FROM artwork
UNION ALL
SELECT clip_id, uri, clip_sha256, size, modified, etag, format, NULL, NULL, source, present, seen_at, run_id, true
FROM clip
