-- Table `said` (title_id, kind, text): what is said of titles and of what they have in the catalogue, each text of a title
-- once; captions are those of the model in `describer`. One SELECT for each kind; whatever is added here gets vectors, and
-- can be a feature of recommenders.
CREATE OR REPLACE TEMP TABLE said AS
SELECT title_id, 'title' AS kind, name AS text FROM given_title
UNION
SELECT title_id, 'synopsis', synopsis FROM given_title
UNION
SELECT title_id, 'description', caption
FROM artwork_present JOIN described USING (image_sha256) SEMI JOIN describer USING (model_key)
WHERE status IN ('ok', 'invalid_fields')
UNION
SELECT title_id, 'description', description FROM clip_features
UNION
SELECT title_id, 'transcript', transcript FROM clip_features
UNION
SELECT title_id, 'sound', sound FROM clip_features;

DELETE FROM said WHERE text IS NULL OR trim(text) = '';

-- All that is said of a title as one text, of those of which several kinds of things are said.
INSERT INTO said
SELECT title_id, 'joined_text',
       string_agg(rtrim(text, '. '), '. '
           ORDER BY list_position(['title', 'synopsis', 'description', 'transcript', 'sound'], kind), text) || '.'
FROM said
GROUP BY title_id
HAVING count(DISTINCT kind) > 1;
