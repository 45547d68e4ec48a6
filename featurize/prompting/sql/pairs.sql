-- Pairs to rank at $moment as questions. What a pair does not say of language, country, time zone and limit of age is
-- that of the member's newest impression that says it; its device is of that moment only. Candidates are the artworks of
-- the title that may be shown then, in that language and below that limit; without one or the other, all of them.
CREATE OR REPLACE TEMP TABLE asked AS
WITH said AS (
    SELECT member_id,
        arg_max(language, ("at", impression_id)) FILTER (trim(language) <> '') AS language,
        arg_max(country, ("at", impression_id)) FILTER (trim(country) <> '') AS country,
        arg_max(time_zone, ("at", impression_id)) FILTER (trim(time_zone) <> '') AS time_zone,
        arg_max(max_maturity, ("at", impression_id)) FILTER (max_maturity >= 0) AS max_maturity
    FROM impression
    WHERE "at" < $moment::TIMESTAMPTZ
    GROUP BY member_id
),
wanted AS (
    SELECT member_id, title_id, copy, fault, fault_example,
        coalesce(pair.max_maturity, said.max_maturity) AS max_maturity,
        nullif(trim(device), '') AS device,
        trim(coalesce(nullif(trim(pair.country), ''), said.country)) AS country,
        trim(coalesce(nullif(trim(pair.language), ''), said.language)) AS language,
        trim(coalesce(nullif(trim(pair.time_zone), ''), said.time_zone)) AS said_zone,
        language_tag(coalesce(nullif(trim(pair.language), ''), said.language)) AS tag
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY member_id, title_id ORDER BY language, max_maturity, device, country, time_zone
        ) AS copy
        FROM pair
    ) pair
    LEFT JOIN said USING (member_id)
),
offered AS (
    SELECT title_id, tag, max_maturity, list(DISTINCT artwork_id) AS candidates
    FROM (SELECT DISTINCT title_id, tag, max_maturity FROM wanted) w
    JOIN artwork_state s USING (title_id)
    WHERE since <= $moment::TIMESTAMPTZ AND $moment::TIMESTAMPTZ < until
        AND coalesce(same_language(language_tag(locale), tag), true)
        AND coalesce(maturity <= max_maturity, true)
    GROUP BY title_id, tag, max_maturity
)
SELECT
    (row_number() OVER ())::INTEGER AS asked_no,
    NULL::VARCHAR AS impression_id, member_id, w.title_id, $moment::TIMESTAMPTZ AS asked_at,
    strftime($moment::TIMESTAMPTZ, '%Y-%m-%d') AS day,
    NULL::VARCHAR AS shown, coalesce(candidates, []) AS candidates, NULL::DOUBLE AS propensity, NULL::DOUBLE AS reward,
    NULL::DOUBLE[] AS propensities, NULL::VARCHAR AS wrong_shares, w.max_maturity, device, country, language, zone AS time_zone, said_zone,
    NULL::DOUBLE AS minutes, NULL::VARCHAR AS bad_minutes, fault_example,
    CASE
        WHEN copy > 1 THEN 'duplicate_id'
        WHEN fault IS NOT NULL THEN fault
        WHEN coalesce(member_id, '') = '' OR coalesce(w.title_id, '') = '' THEN 'incomplete'
        WHEN w.max_maturity < 0 THEN 'bad_max_maturity'
        WHEN title_no IS NULL THEN 'unknown_title'
    END AS reason
FROM wanted w
LEFT JOIN title ON title.title_id = w.title_id
LEFT JOIN known_zone ON known_zone.spelled = lower(said_zone)
LEFT JOIN offered ON offered.title_id = w.title_id AND offered.tag IS NOT DISTINCT FROM w.tag
    AND offered.max_maturity IS NOT DISTINCT FROM w.max_maturity;
