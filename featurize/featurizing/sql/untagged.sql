-- Pictures of the catalogue that have an embedding and no tags of this tagger. A picture's tags are in one part, so
-- any one of them says that all are there; DISTINCT keeps the dozens of them out of the join's memory.
CREATE OR REPLACE TEMP TABLE untagged AS
SELECT image_sha256
FROM picture
SEMI JOIN image_embedding USING (image_sha256)
ANTI JOIN (SELECT DISTINCT image_sha256 FROM image_tag) USING (image_sha256)
