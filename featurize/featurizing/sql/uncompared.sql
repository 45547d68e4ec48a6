-- Pictures of the catalogue that have an embedding and were not compared with the others, in the form of shards.
SELECT image_sha256 AS key, '' AS source, 0::INTEGER AS attempts
FROM picture
SEMI JOIN image_embedding USING (image_sha256)
ANTI JOIN near_picture USING (image_sha256)
ORDER BY key
