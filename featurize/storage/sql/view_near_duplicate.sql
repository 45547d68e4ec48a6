-- Of the current embeddings. Where they were compared down to several cosines, the comparison that the newest finished run
-- used, whether or not it had anything to do; before a run has finished, the one first used last.
CREATE OR REPLACE VIEW near_duplicate AS
WITH used AS (
    SELECT model_key, max(started_at) AS used_at FROM run_phase WHERE outcome = 'done' GROUP BY model_key
),
compared AS (
    SELECT model_key
    FROM model LEFT JOIN used USING (model_key)
    WHERE backend = 'near_duplicates' AND fingerprint->>'image' = $image_embedding
    ORDER BY used_at DESC NULLS LAST, computed_at DESC, model_key
    LIMIT 1
),
said AS (
    SELECT image_sha256, unnest(near) AS other_sha256, unnest(cosines) AS cosine
    FROM near_picture SEMI JOIN compared USING (model_key)
),
pair AS (  -- both ways, since a pair stands in the row of one of the two, or of both
    SELECT image_sha256, other_sha256, max(cosine) AS cosine
    FROM (
        FROM said
        UNION ALL
        SELECT other_sha256, image_sha256, cosine FROM said
        UNION ALL  -- one file as several artworks
        SELECT image_sha256, image_sha256, 1 FROM artwork_present GROUP BY image_sha256 HAVING count(*) > 1
    )
    GROUP BY image_sha256, other_sha256
)
SELECT one.artwork_id, other.artwork_id AS other, pair.cosine,
       one.title_id, other.title_id AS other_title_id,
       one.title_id = other.title_id AS same_title,
       pair.image_sha256 = pair.other_sha256 AS same_file,
       one.uri, other.uri AS other_uri
FROM pair
JOIN artwork_present one ON one.image_sha256 = pair.image_sha256
JOIN artwork_present other ON other.image_sha256 = pair.other_sha256
WHERE one.artwork_id < other.artwork_id;
COMMENT ON VIEW near_duplicate IS 'Pairs of present artworks that are nearly or wholly the same picture, across titles (same_title is false) and within one: by the cosine of the current embeddings, down to the setting near_duplicate of the newest finished run';
