-- The catalogue with the hash of every file that has not changed; image_sha256 is NULL where the bytes must be read.
-- A file is unchanged when a row of `artwork` or `clip` has its uri, size and modification time. One whose header could not be read
-- is read again where `quarantine`, here that of the present decoder, does not say that this decoder cannot either, or
-- where it is called as clips are and was seen before there were any.
CREATE TABLE catalogue AS
WITH known AS (
    SELECT uri, size, modified, any_value(image_sha256) AS image_sha256, any_value(format) AS format,
           any_value(width) AS width, any_value(height) AS height, any_value(clip) AS clip
    FROM seen_before
    WHERE modified IS NOT NULL AND NOT $verify
      AND (clip OR format IS NOT NULL OR NOT regexp_matches(lower(uri), $clips))
    GROUP BY uri, size, modified
    HAVING any_value(clip) OR any_value(format) IS NOT NULL OR any_value(image_sha256) IN (SELECT image_sha256 FROM quarantine)
)
SELECT listed.*, files.size, files.modified, NULL::VARCHAR AS etag, files.kind_of_file, files.trouble,
       known.image_sha256, known.format, known.width, known.height, known.clip,
       coalesce(listed.valid_to <= now(), false) AS over,
       CASE WHEN NOT over THEN abs(epoch(listed.valid_from) - epoch(now())) END AS launch
FROM listed
JOIN files USING (uri)
LEFT JOIN known ON known.uri = listed.uri AND known.size = files.size AND known.modified = files.modified
