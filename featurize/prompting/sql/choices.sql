-- The candidates of the questions to write.
CREATE OR REPLACE TEMP TABLE choice AS
SELECT question_no, artwork_id, description
FROM candidate JOIN question USING (asked_no) JOIN artwork_state USING (state_no) LEFT JOIN picture USING (image_sha256)
WHERE description IS NOT NULL OR NOT $drop
ORDER BY question_no;
