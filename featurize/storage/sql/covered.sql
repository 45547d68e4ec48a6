-- How much each model covers: distinct pictures, or clips, of the catalogue as it was at $as_of. A description that failed covers
-- nothing. A recipe of logged prompts covers its prompts; one of nightly prompts, which are asked anew every night, those
-- of its fullest night of the last week. Of a tagger one label is counted: a picture has a row of every one.
WITH picture AS (
    SELECT DISTINCT image_sha256
    FROM (
        FROM artwork WHERE seen_at < $as_of::TIMESTAMPTZ
        QUALIFY row_number() OVER (PARTITION BY artwork_id ORDER BY seen_at DESC, run_id DESC) = 1
    )
    WHERE present
    UNION ALL
    SELECT clip_sha256
    FROM (
        FROM clip WHERE seen_at < $as_of::TIMESTAMPTZ
        QUALIFY row_number() OVER (PARTITION BY clip_id ORDER BY seen_at DESC, run_id DESC) = 1
    )
    WHERE present
),
said AS (
    SELECT 'image_embedding' AS feature, model_key, image_sha256, true AS usable
    FROM image_embedding WHERE computed_at < $as_of::TIMESTAMPTZ
    UNION ALL
    SELECT 'description', model_key, image_sha256, status = 'ok'
    FROM description WHERE computed_at < $as_of::TIMESTAMPTZ
    UNION ALL
    SELECT 'text_embedding', vector.model_key, image_sha256, true
    FROM said_of_picture JOIN text_embedding vector ON text_sha256 = sha256(caption)
    WHERE vector.computed_at < $as_of::TIMESTAMPTZ
    UNION ALL
    SELECT 'image_tag', model_key, image_sha256, true
    FROM image_tag
    WHERE computed_at < $as_of::TIMESTAMPTZ
      AND (attribute, label) IN (SELECT min((attribute, label)) FROM image_tag GROUP BY model_key)
    UNION ALL
    SELECT 'clip_description', model_key, clip_sha256, status <> 'empty'
    FROM clip_description WHERE computed_at < $as_of::TIMESTAMPTZ
    UNION ALL
    SELECT 'transcript', model_key, clip_sha256, status <> 'empty'
    FROM transcript WHERE computed_at < $as_of::TIMESTAMPTZ
    UNION ALL
    SELECT 'sound_description', model_key, clip_sha256, status <> 'empty'
    FROM sound_description WHERE computed_at < $as_of::TIMESTAMPTZ
),
nights AS (
    SELECT kind, recipe_key, count(DISTINCT prompt_id) AS prompts,
           max(asked_at::DATE) > max(max(asked_at::DATE)) OVER (PARTITION BY kind) - 7 AS lately
    FROM prompt WHERE computed_at < $as_of::TIMESTAMPTZ
    GROUP BY kind, recipe_key, asked_at::DATE
)
SELECT feature, model_key, count(DISTINCT image_sha256) FILTER (usable AND picture.image_sha256 IS NOT NULL) AS covers
FROM said LEFT JOIN picture USING (image_sha256)
GROUP BY ALL
UNION ALL
SELECT kind || '_prompt', recipe_key,
       CASE kind WHEN 'logged' THEN sum(prompts) ELSE coalesce(max(prompts) FILTER (lately), 0) END::BIGINT
FROM nights
GROUP BY kind, recipe_key;
