-- Pictures of the catalogue that are as they were when their host last sent them. Table `unchanged` has their addresses.
UPDATE catalogue
SET image_sha256 = stated.image_sha256, clip = stated.clip, size = stated.size, modified = stated.modified, etag = stated.etag,
    format = stated.format, width = stated.width, height = stated.height
FROM stated
WHERE catalogue.uri = stated.uri AND stated.uri IN (FROM unchanged)
