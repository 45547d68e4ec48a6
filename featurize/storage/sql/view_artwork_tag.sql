CREATE OR REPLACE VIEW artwork_tag AS
SELECT artwork_id, any_value(title_id) AS title_id, attribute,
       arg_max(label, (probability, label)) AS label,
       max(probability) AS probability
FROM artwork_present
JOIN image_tag USING (image_sha256)
WHERE model_key = $image_tag
GROUP BY artwork_id, attribute;
COMMENT ON VIEW artwork_tag IS 'The best label of every attribute (genre, mood, ...) of every present artwork, by the current tagger';
