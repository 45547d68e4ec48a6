-- What is known of each picture that is a candidate: its description, and for what that lacks the likeliest tag.
WITH wanted AS (SELECT DISTINCT image_sha256 FROM candidate JOIN artwork_state USING (state_no)),
tag AS (
    SELECT image_sha256, attribute, arg_max(label, (probability, label)) AS label
    FROM image_tag SEMI JOIN wanted USING (image_sha256)
    WHERE model_key = $tags AND computed_at < $as_of::TIMESTAMPTZ
    GROUP BY image_sha256, attribute
),
tags AS (
    SELECT image_sha256,
        any_value(label) FILTER (attribute = 'genre') AS genre,
        any_value(label) FILTER (attribute = 'mood') AS mood,
        any_value(label) FILTER (attribute = 'setting') AS setting,
        any_value(label) FILTER (attribute = 'shot') AS shot,
        any_value(label) FILTER (attribute = 'people') AS people
    FROM tag GROUP BY image_sha256
),
described AS (
    SELECT * FROM description WHERE model_key = $descriptions AND computed_at < $as_of::TIMESTAMPTZ
    QUALIFY row_number() OVER (
        PARTITION BY image_sha256
        ORDER BY status = 'ok' DESC, status = 'invalid_fields' DESC, computed_at, run_id
    ) = 1
)
SELECT image_sha256, d.status AS status, caption, t.genre AS genre,
    coalesce(d.mood, t.mood) AS mood,
    coalesce(d.setting, t.setting) AS setting,
    coalesce(d.people_count::VARCHAR, t.people) AS people,
    coalesce(d.composition, t.shot) AS composition,
    d.text_on_artwork AS text_on_artwork,
    coalesce(d.caption, d.mood, d.setting, d.people_count::VARCHAR, d.composition, d.text_on_artwork) IS NOT NULL AS described
FROM wanted LEFT JOIN described d USING (image_sha256) LEFT JOIN tags t USING (image_sha256)
ORDER BY image_sha256;
