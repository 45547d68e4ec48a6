-- Impressions that have a prompt or get one, where they are new, or other or more than what was last read of them.
-- `changed` names the columns; most of the first ones differ only where an earlier version kept what is refused now. A log
-- without an optional column takes nothing back. Pseudonyms of another key are other members.
CREATE OR REPLACE TEMP TABLE new_impression AS
WITH said AS (
    SELECT day, impression_id, member AS member_id, title_id, shown AS artwork_id, candidates, propensity, propensities,
        asked_at AS "at", policy, device, country, language, time_zone, max_maturity
    FROM asked JOIN member USING (member_id)
    WHERE reason IS NULL
),
known AS (
    FROM kept_state
    QUALIFY row_number() OVER (PARTITION BY impression_id, member_id ORDER BY computed_at DESC) = 1
)
SELECT said.* REPLACE (
        coalesce(said.propensities, known.propensities) AS propensities, coalesce(said.device, known.device) AS device,
        coalesce(said.country, known.country) AS country, coalesce(said.language, known.language) AS language,
        coalesce(said.time_zone, known.time_zone) AS time_zone,
        coalesce(said.max_maturity, known.max_maturity) AS max_maturity
    ),
    CASE WHEN known.impression_id IS NOT NULL THEN nullif(concat_ws(', ',
        CASE WHEN said.title_id <> known.title_id THEN 'title_id' END,
        CASE WHEN said.artwork_id <> known.artwork_id THEN 'artwork_id' END,
        CASE WHEN said.candidates <> known.candidates THEN 'candidates' END,
        CASE WHEN said.propensity <> known.propensity THEN 'propensity' END,
        CASE WHEN said."at" <> known."at" THEN 'at' END,
        CASE WHEN said.policy IS DISTINCT FROM known.policy THEN 'policy' END,
        CASE WHEN said.propensities <> known.propensities THEN 'propensities' END,
        CASE WHEN said.device <> known.device THEN 'device' END,
        CASE WHEN said.country <> known.country THEN 'country' END,
        CASE WHEN said.language <> known.language THEN 'language' END,
        CASE WHEN said.time_zone <> known.time_zone THEN 'time_zone' END,
        CASE WHEN said.max_maturity <> known.max_maturity THEN 'max_maturity' END), '') END AS changed
FROM said LEFT JOIN known USING (impression_id, member_id)
WHERE known.impression_id IS NULL OR changed IS NOT NULL
    OR said.propensities IS NOT NULL AND known.propensities IS NULL OR said.device IS NOT NULL AND known.device IS NULL
    OR said.country IS NOT NULL AND known.country IS NULL OR said.language IS NOT NULL AND known.language IS NULL
    OR said.time_zone IS NOT NULL AND known.time_zone IS NULL
    OR said.max_maturity IS NOT NULL AND known.max_maturity IS NULL
ORDER BY day, impression_id;
