CREATE OR REPLACE VIEW artwork_features AS
WITH tags AS (
    SELECT artwork_id,
           map_from_entries(list((attribute, {'label': label, 'probability': probability}) ORDER BY attribute)) AS tags
    FROM artwork_tag
    GROUP BY artwork_id
),
said AS (
    FROM described WHERE model_key = $description
),
damaged AS (
    SELECT image_sha256, arg_max(note, computed_at) AS damage FROM damage GROUP BY image_sha256
),
embedded AS (
    FROM image_embedding WHERE model_key = $image_embedding
)
SELECT artwork_id, title_id, uri, image_sha256, kind, locale, priority, valid_from, valid_to, depicts, maturity, format, width, height,
       caption, subjects, people_count, mood, setting, composition, text_on_artwork, palette,
       status AS description_status,
       tags, damage,
       CAST(embedding AS $vector) AS embedding
FROM artwork_present
LEFT JOIN tags USING (artwork_id)
LEFT JOIN said USING (image_sha256)
LEFT JOIN damaged USING (image_sha256)
LEFT JOIN embedded USING (image_sha256)
QUALIFY row_number() OVER (PARTITION BY artwork_id) = 1;  -- should a picture ever have two rows of one model
COMMENT ON VIEW artwork_features IS 'One row per present artwork: its words, tags and vector by the current models; NULL where there are none. tags is a map: tags[''mood''].label, tags[''mood''].probability. damage says what is broken in a file beside its pixels';
