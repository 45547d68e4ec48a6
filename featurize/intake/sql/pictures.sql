-- Every distinct picture of the catalogue, with one file that holds it.
CREATE TABLE picture AS
SELECT image_sha256, min(uri) AS uri
FROM catalogue
WHERE image_sha256 IS NOT NULL
GROUP BY image_sha256
