-- Every distinct picture of the catalogue, with one file that holds it, and what says how soon it is wanted: whether no
-- artwork shows it any more, the highest priority, and the seconds to the nearest launch, before or after now.
CREATE TABLE picture AS
SELECT image_sha256, min(uri) AS uri, bool_and(over) AS over, max(priority) AS priority, min(launch) AS launch
FROM catalogue
WHERE image_sha256 IS NOT NULL AND NOT clip
GROUP BY image_sha256
