-- How many artworks of the catalogue each model had done at which moment: `change` to the number in the catalogue (feature
-- is ''), or to that of the model. An artwork counts from the state it was seen in to the next one.
WITH state AS (
    SELECT image_sha256, present, seen_at AS from_at,
           lead(seen_at) OVER (PARTITION BY artwork_id ORDER BY seen_at, run_id) AS to_at
    FROM artwork
),
done AS (
    SELECT 'image_embedding' AS feature, model_key, image_sha256, min(computed_at) AS done_at
    FROM image_embedding GROUP BY model_key, image_sha256
    UNION ALL
    SELECT 'image_tag', model_key, image_sha256, min(computed_at)
    FROM image_tag
    WHERE (model_key, attribute, label) IN (SELECT (model_key, min((attribute, label))[1], min((attribute, label))[2]) FROM image_tag GROUP BY model_key)
    GROUP BY model_key, image_sha256
    UNION ALL
    SELECT 'description', model_key, image_sha256, min(computed_at)
    FROM description WHERE status = 'ok' GROUP BY model_key, image_sha256
),
counted AS (
    SELECT '' AS feature, '' AS model_key, from_at, to_at FROM state WHERE present
    UNION ALL
    SELECT feature, model_key, greatest(from_at, done_at), to_at
    FROM state JOIN done USING (image_sha256)
    WHERE present AND (to_at IS NULL OR done_at < to_at)
)
SELECT feature, model_key, date_trunc('minute', moment) AS moment, sum(change)::BIGINT AS change
FROM (
    SELECT feature, model_key, from_at AS moment, 1 AS change FROM counted
    UNION ALL
    SELECT feature, model_key, to_at, -1 FROM counted WHERE to_at IS NOT NULL
)
GROUP BY ALL
ORDER BY feature, model_key, moment;
