-- Questions with the ids their prompts get. Only ids that are written go in: of a pseudonym nothing leads back. With
-- $dated a moment counts as its day: asked again on that day, it is the same question.
CREATE OR REPLACE TEMP TABLE planned AS
SELECT *, left(sha256(concat($recipe_key, '|', question_key)), 32) AS prompt_id
FROM (
    SELECT asked_no, member, day,
        -- The length keeps ('a', 'bc') and ('ab', 'c') apart.
        coalesce(impression_id, concat(length(member), ':', member, ':', title_id, ':',
            CASE WHEN $dated THEN day ELSE epoch_us(asked_at)::VARCHAR END)) AS question_key
    FROM asked JOIN member USING (member_id)
    WHERE reason IS NULL
);
