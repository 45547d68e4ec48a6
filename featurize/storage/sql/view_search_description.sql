CREATE OR REPLACE MACRO search_description(words, k) AS TABLE
WITH asked AS (
    SELECT list_distinct(regexp_extract_all(lower(words), '[\p{L}\p{N}]+')) AS wanted
),
said AS (
    SELECT image_sha256, caption, list_distinct(regexp_extract_all(lower(caption), '[\p{L}\p{N}]+')) AS has
    FROM described
    WHERE model_key = $description AND caption <> ''
)
SELECT artwork_id, title_id, len(list_intersect(has, wanted)) AS words_found, caption, uri
FROM said
CROSS JOIN asked
JOIN artwork_present USING (image_sha256)
WHERE len(list_intersect(has, wanted)) > 0
ORDER BY words_found DESC, len(has), artwork_id
LIMIT k;
COMMENT ON MACRO TABLE search_description IS 'search_description(words, k): the k present artworks whose current captions have the most of these words, the shortest captions first; needs no model';
