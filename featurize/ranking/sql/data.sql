-- What rankers that learn from the store read; `inference/ranker.py` tells of each view. $history is where it lies.
CREATE TEMP VIEW training AS
SELECT prompt_id, member_id, title_id, asked_at, artwork_ids, same_as, artwork_ids[instr($letters, answer)] AS artwork_id,
    reward, propensity, propensities, device, country, language, time_zone
FROM labelled_prompt
WHERE recipe_key = $recipe AND split = 'train';
CREATE TEMP VIEW embedding AS
SELECT artwork_id, embedding FROM artwork_features WHERE embedding IS NOT NULL;
CREATE TEMP VIEW tag AS
SELECT artwork_id, attribute, label, probability
FROM artwork_present JOIN image_tag USING (image_sha256)
WHERE image_tag.model_key IN (SELECT model_key FROM current_model WHERE feature = 'image_tag')
QUALIFY row_number() OVER (PARTITION BY artwork_id, attribute, label) = 1;
-- What there is to know of views that are large, for `Data.digest`: by title and by member, as far as it was known when
-- the last training prompt was asked, so that a night more of history makes no new ranker of one that has not seen it.
CREATE TEMP VIEW history_told AS
WITH known AS (
    SELECT member_id, title_id, epoch_us("at") AS moment
    FROM history
    WHERE event = 'play' AND "at" < (SELECT max(asked_at) FROM training)
)
SELECT 'member' AS of, member_id AS id, count(*) AS plays, sum(moment) AS moments FROM known GROUP BY member_id
UNION ALL
SELECT 'title', title_id, count(*), sum(moment) FROM known GROUP BY title_id;
CREATE TEMP VIEW title_told AS
SELECT title_id, genres, "cast" FROM title;
CREATE TEMP VIEW depicted_told AS
SELECT artwork_id, depicts FROM artwork_present;
