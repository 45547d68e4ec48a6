-- Table `choice` with what tells the candidates of a question apart: a fact that is the same of all of them, and so a
-- genre, is left out (but for the caption), and `tells` is false where the same people are on all. Worked out once for
-- each set of candidates, for most questions about a title have the same.
CREATE OR REPLACE TEMP TABLE choice AS
WITH asked_of AS (
    SELECT question_no, list_sort(list(state_no)) AS states FROM choice GROUP BY question_no
),
offered AS (SELECT (row_number() OVER ())::INTEGER AS set_no, states FROM (SELECT DISTINCT states FROM asked_of)),
fact AS (
    SELECT set_no, len(states) AS candidates, state_no, description, caption, mood, setting, people, composition, who, genre_no,
        CASE WHEN lettering = plain_name THEN coalesce(candidate_titled(), text_on_artwork) ELSE text_on_artwork END AS words
    FROM (SELECT set_no, states, unnest(states) AS state_no FROM offered)
    JOIN artwork_state USING (state_no) JOIN title USING (title_id) LEFT JOIN picture USING (image_sha256)
    LEFT JOIN (SELECT state_no, list(person_no ORDER BY place) AS who FROM depicted GROUP BY state_no) USING (state_no)
),
common AS (
    SELECT set_no, same(mood, candidates) AS mood, same(setting, candidates) AS setting, same(people, candidates) AS people,
        same(composition, candidates) AS composition, same(words, candidates) AS words, same(who, candidates) AS who,
        same(genre_no, candidates) AS genre_no
    FROM fact GROUP BY set_no
),
told AS (
    SELECT set_no, state_no, f.who IS DISTINCT FROM c.who AS tells, CASE WHEN c.genre_no IS NULL THEN f.genre_no END AS genre_no,
        coalesce(nullif(concat_ws(candidate_between(), caption,
            CASE WHEN c.mood IS NULL THEN f.mood END, CASE WHEN c.setting IS NULL THEN f.setting END,
            CASE WHEN c.people IS NULL THEN f.people END, CASE WHEN c.composition IS NULL THEN f.composition END,
            CASE WHEN c.words IS NULL THEN f.words END), ''), description) AS description
    FROM fact f JOIN common c USING (set_no)
)
SELECT choice.* REPLACE (told.description AS description, coalesce(told.tells, true) AS tells, told.genre_no AS genre_no)
FROM choice JOIN asked_of USING (question_no) JOIN offered USING (states) LEFT JOIN told USING (set_no, state_no)
ORDER BY question_no;
