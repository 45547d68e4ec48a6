-- The artworks of the titles that are shown, with their words by the current models; at most $most_of_title of each.
WITH artwork AS (
    FROM artwork_present SEMI JOIN shown_title USING (title_id)
    QUALIFY row_number() OVER (PARTITION BY title_id ORDER BY md5(artwork_id), artwork_id) <= $most_of_title
),
best AS (
    SELECT image_sha256, attribute, arg_max(label, (probability, label)) AS label, max(probability) AS probability
    FROM image_tag
    SEMI JOIN artwork USING (image_sha256)
    WHERE model_key = (SELECT model_key FROM current_model WHERE feature = 'image_tag')
    GROUP BY image_sha256, attribute
),
tags AS (
    SELECT image_sha256, list({'attribute': attribute, 'label': label, 'probability': probability} ORDER BY attribute) AS tags
    FROM best GROUP BY image_sha256
),
said AS (
    FROM described WHERE model_key = (SELECT model_key FROM current_model WHERE feature = 'description')
)
SELECT artwork.artwork_id, artwork.title_id, artwork.uri, image_sha256, kind, locale, artwork.depicts, maturity, format,
       width, height, caption, subjects, people_count, mood, setting, composition, text_on_artwork, palette, status, tags
FROM artwork
LEFT JOIN said USING (image_sha256)
LEFT JOIN tags USING (image_sha256)
ORDER BY artwork.title_id, artwork.artwork_id;
