-- What a person wants to know of some artworks, beside their pictures: tags by the current tagger, the likeliest first.
WITH asked AS (
    FROM artwork_present WHERE list_contains($artwork_ids, artwork_id)
),
said AS (
    SELECT image_sha256, caption
    FROM described
    WHERE list_contains((SELECT list(image_sha256) FROM asked), image_sha256)
      AND model_key = (SELECT model_key FROM current_model WHERE feature = 'description')
),
tags AS (
    SELECT artwork_id, list(label ORDER BY probability DESC, attribute) AS tags
    FROM artwork_tag
    WHERE list_contains($artwork_ids, artwork_id) AND probability >= $likely
    GROUP BY artwork_id
)
SELECT artwork_id, title_id, uri, image_sha256, width, height, name AS title, caption, coalesce(tags, []) AS tags
FROM asked
LEFT JOIN title USING (title_id)
LEFT JOIN said USING (image_sha256)
LEFT JOIN tags USING (artwork_id)
