-- What was read goes into the catalogue; what a web host said of a file as well.
UPDATE catalogue
SET image_sha256 = hashed.image_sha256, clip = hashed.clip, format = hashed.format, width = hashed.width, height = hashed.height,
    size = coalesce(hashed.size, catalogue.size), modified = coalesce(hashed.modified, catalogue.modified),
    etag = hashed.etag
FROM hashed
WHERE catalogue.uri = hashed.uri
