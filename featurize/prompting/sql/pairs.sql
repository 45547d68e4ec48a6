-- Pairs to rank at $moment as questions. What a pair does not say of language, country, time zone and limit of age is
-- in table `said`; its device is of that moment only. A limit that cannot be read is not known, so neither is what it
-- allows. Candidates are the artworks of the title that may be shown then, in that language; without one, all of
-- them; never one that cannot be decoded.
CREATE OR REPLACE TEMP TABLE asked AS
WITH wanted AS (
    SELECT member_id, title_id, copy,
        pair.max_maturity IS NULL AND fault IS NULL AND bad_limit IS NOT NULL AS without_limit,
        CASE WHEN without_limit THEN 'bad_max_maturity' ELSE fault END AS fault,
        CASE WHEN without_limit THEN bad_limit ELSE fault_example END AS fault_example,
        coalesce(pair.max_maturity, said.max_maturity) AS max_maturity,
        told(device) AS device,
        coalesce(told(pair.country), said.country) AS country,
        coalesce(told(pair.language), said.language) AS language,
        coalesce(told(pair.time_zone), said.time_zone) AS said_zone,
        CASE WHEN told(pair.time_zone) IS NULL THEN zone_from END AS zone_from,
        language_tag(coalesce(told(pair.language), said.language)) AS tag
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY member_id, title_id ORDER BY language, max_maturity, device, country, time_zone
        ) AS copy
        FROM pair
    ) pair
    LEFT JOIN said USING (member_id)
),
offered AS (
    SELECT title_id, tag, list(DISTINCT artwork_id) AS candidates
    FROM (SELECT DISTINCT title_id, tag FROM wanted) w
    JOIN artwork_state s USING (title_id)
    ANTI JOIN undecodable USING (image_sha256)
    WHERE since <= $moment::TIMESTAMPTZ AND $moment::TIMESTAMPTZ < until
        AND coalesce(same_language(language_tag(locale), tag), true)
    GROUP BY title_id, tag
)
SELECT
    (row_number() OVER ())::INTEGER AS asked_no,
    NULL::VARCHAR AS impression_id, member_id, w.title_id, $moment::TIMESTAMPTZ AS asked_at,
    strftime($moment::TIMESTAMPTZ, '%Y-%m-%d') AS day,
    NULL::VARCHAR AS shown, coalesce(candidates, []) AS candidates, NULL::DOUBLE AS propensity, NULL::DOUBLE AS reward,
    NULL::DOUBLE[] AS propensities, NULL::VARCHAR AS wrong_shares, max_maturity, device, country, language, zone AS time_zone,
    said_zone, zone_from, NULL::DOUBLE AS minutes, NULL::VARCHAR AS bad_minutes,
    CASE WHEN copy = 1 THEN fault_example END AS fault_example,
    CASE
        WHEN copy > 1 THEN 'duplicate_id'
        WHEN fault IS NOT NULL THEN fault
        WHEN coalesce(member_id, '') = '' OR coalesce(w.title_id, '') = '' THEN 'incomplete'
        WHEN max_maturity < 0 THEN 'bad_max_maturity'
        WHEN title_no IS NULL THEN 'unknown_title'
    END AS reason
FROM wanted w
LEFT JOIN title ON title.title_id = w.title_id
LEFT JOIN known_zone ON known_zone.spelled = lower(said_zone)
LEFT JOIN offered ON offered.title_id = w.title_id AND offered.tag IS NOT DISTINCT FROM w.tag;
