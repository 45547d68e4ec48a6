-- Pairs to rank at $moment as questions. Candidates are the artworks of the title that may be shown then, and in the
-- language of the pair, or else of the member's newest impression; a pair with no language gets all of them.
CREATE OR REPLACE TEMP TABLE asked AS
WITH spoken AS (
    SELECT member_id, arg_max(language, ("at", impression_id)) AS language
    FROM impression
    WHERE language <> '' AND "at" < $moment::TIMESTAMPTZ
    GROUP BY member_id
),
wanted AS (
    SELECT member_id, title_id, language_tag(coalesce(nullif(pair.language, ''), spoken.language)) AS language, copy
    FROM (
        SELECT *, row_number() OVER (PARTITION BY member_id, title_id ORDER BY language) AS copy FROM pair
    ) pair
    LEFT JOIN spoken USING (member_id)
),
offered AS (
    SELECT title_id, w.language, list(DISTINCT artwork_id) AS candidates
    FROM (SELECT DISTINCT title_id, language FROM wanted) w
    JOIN artwork_state s USING (title_id)
    WHERE since <= $moment::TIMESTAMPTZ AND $moment::TIMESTAMPTZ < until
        AND coalesce(same_language(language_tag(locale), w.language), true)
    GROUP BY title_id, w.language
)
SELECT
    (row_number() OVER ())::INTEGER AS asked_no,
    NULL::VARCHAR AS impression_id, member_id, w.title_id, $moment::TIMESTAMPTZ AS asked_at,
    strftime($moment::TIMESTAMPTZ, '%Y-%m-%d') AS day,
    NULL::VARCHAR AS shown, coalesce(candidates, []) AS candidates, NULL::DOUBLE AS propensity, NULL::DOUBLE AS reward,
    NULL::DOUBLE AS minutes, NULL::VARCHAR AS bad_minutes, NULL::VARCHAR AS fault_example,
    CASE
        WHEN copy > 1 THEN 'duplicate_id'
        WHEN coalesce(member_id, '') = '' OR coalesce(w.title_id, '') = '' THEN 'incomplete'
        WHEN title_no IS NULL THEN 'unknown_title'
    END AS reason
FROM wanted w
LEFT JOIN title ON title.title_id = w.title_id
LEFT JOIN offered ON offered.title_id = w.title_id AND offered.language IS NOT DISTINCT FROM w.language;
