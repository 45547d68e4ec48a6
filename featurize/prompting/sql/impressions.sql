-- Impressions as questions, and what of the row itself keeps it from becoming a prompt. Of rows with the same id the
-- first counts, by time and then by content, so that the order of the file does not matter.
CREATE OR REPLACE TEMP TABLE asked AS
SELECT
    (row_number() OVER ())::INTEGER AS asked_no,
    impression_id, member_id, title_id, "at" AS asked_at, strftime("at", '%Y-%m-%d') AS day,
    artwork_id AS shown, each_once AS candidates, propensity, reward, max_maturity,
    told(device) AS device, told(country) AS country, told(language) AS language,
    zone AS time_zone, said_zone, NULL::VARCHAR AS zone_from,
    CASE -- the first is five times as fast, and there are many
        WHEN len(propensities) = len(each_once)
            THEN list_transform(each_once, lambda name: propensities[list_position(candidates, name)])
        WHEN propensities IS NOT NULL
            THEN list_transform(each_once, lambda name: share_of(name, candidates, propensities))
    END AS propensities,
    CASE WHEN NOT bad_minutes(fault, minutes) THEN minutes END AS minutes,
    CASE WHEN bad_minutes(fault, minutes)
        THEN coalesce(fault_example, concat('impression ''', impression_id, ''', minutes ', minutes)) END AS bad_minutes,
    policy, wrong_shares, CASE WHEN fault <> 'bad_minutes' THEN fault_example END AS fault_example,
    CASE
        WHEN copy > 1 THEN 'duplicate_id'
        WHEN fault <> 'bad_minutes' THEN fault
        WHEN coalesce(impression_id, '') = '' OR coalesce(member_id, '') = '' OR coalesce(title_id, '') = ''
            OR coalesce(artwork_id, '') = '' OR "at" IS NULL OR candidates IS NULL
            THEN 'incomplete'
        WHEN wrong_clock("at", $now) THEN 'bad_time'
        -- Asked for by name: statistics of Parquet files leave NaN out, and comparisons are decided by them.
        WHEN (isfinite(propensity) AND propensity > 0 AND propensity <= 1) IS NOT TRUE THEN 'bad_propensity'
        WHEN (isfinite(reward) AND reward >= 0 AND reward <= 1) IS NOT TRUE THEN 'bad_reward'
        WHEN max_maturity < 0 THEN 'bad_max_maturity'
        WHEN title_no IS NULL THEN 'unknown_title'
        WHEN NOT list_contains(candidates, artwork_id) THEN 'shown_not_candidate'
        WHEN wrong_shares IS NOT NULL THEN 'bad_propensities'
    END AS reason
FROM (
    SELECT *, list_sort(list_distinct(candidates)) AS each_once, told(time_zone) AS said_zone,
        CASE WHEN bad_propensities(propensities, candidates, artwork_id, propensity)
            THEN concat('propensities ', propensities::VARCHAR, ' of ', candidates::VARCHAR, ', propensity ', propensity)
        END AS wrong_shares,
        row_number() OVER (
        PARTITION BY impression_id
        ORDER BY "at", member_id, title_id, artwork_id, propensity, reward, candidates::VARCHAR
    ) AS copy
    FROM impression
)
LEFT JOIN title USING (title_id)
LEFT JOIN known_zone ON spelled = lower(said_zone);
