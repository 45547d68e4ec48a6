-- The candidates of the questions to write: those that the catalogue offered, and of an impression the others too.
CREATE OR REPLACE TEMP TABLE choice AS
WITH offered AS (
    SELECT question_no, artwork_id, state_no, description, true AS tells, share, genre_no
    FROM candidate JOIN question USING (asked_no) JOIN artwork_state USING (state_no) LEFT JOIN picture USING (image_sha256)
),
unknown AS (
    SELECT question_no, unnest(candidates) AS artwork_id, unnest(asked.propensities) AS share
    FROM question JOIN asked USING (asked_no)
    WHERE $unknown = 'placeholder' AND question.shown IS NOT NULL
)
FROM offered WHERE description IS NOT NULL OR NOT $drop
UNION ALL
SELECT question_no, artwork_id, NULL, NULL, true, share, NULL FROM unknown ANTI JOIN offered USING (question_no, artwork_id)
ORDER BY question_no;
