-- What is known of the artworks that are shown, a row each, for a table that other programs read.
SELECT artwork_id, shown_artwork.title_id, coalesce(title.name, shown_artwork.title_id) AS title, kind, locale, caption, mood,
       setting, composition, people_count, text_on_artwork, array_to_string(subjects, ', ') AS subjects,
       array_to_string(depicts, ', ') AS depicts, tags, image_sha256, uri, width, height, embedding
FROM shown_artwork
JOIN image_embedding USING (image_sha256)
LEFT JOIN title USING (title_id)
WHERE model_key = (SELECT model_key FROM current_model WHERE feature = 'image_embedding')
ORDER BY artwork_id;
