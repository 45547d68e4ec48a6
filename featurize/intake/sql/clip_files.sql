-- Every distinct clip of the catalogue, as table `picture` has the pictures; `sound` says that it cannot hold more.
CREATE TABLE clip_file AS
SELECT image_sha256, min(uri) AS uri, bool_and(over) AS over, max(priority) AS priority, min(launch) AS launch,
       coalesce(list_contains($sound, any_value(format)), false) AS sound
FROM catalogue
WHERE image_sha256 IS NOT NULL AND clip
GROUP BY image_sha256
