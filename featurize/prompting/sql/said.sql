-- What the impressions of the members of pairs say of them, as table `said`: for each column the newest that says it, of
-- the log that is given and of what the store keeps. Of several at one instant the lowest limit of age counts, and of the
-- rest the log. A limit that is none does not take the place of an older one; where there is no other, `bad_limit` tells of
-- it. A time zone is the newest that is known; where none is, the newest name, in impression `zone_from`.
CREATE OR REPLACE TEMP TABLE said AS
WITH kept AS (
    SELECT pair_member.member_id, impression_id,
        arg_max({'at': "at", 'language': language, 'country': country, 'zone': time_zone, 'limit': max_maturity}, computed_at)
            AS newest
    FROM impression_state state JOIN pair_member ON pair_member.member = state.member_id
    WHERE "at" < $moment::TIMESTAMPTZ
    GROUP BY ALL
),
told AS (
    SELECT member_id, ("at", true, impression_id) AS place, "at", impression_id, language, country, told(time_zone) AS said_zone,
        max_maturity, fault, fault_example
    FROM impression SEMI JOIN pair_member USING (member_id)
    WHERE "at" < $moment::TIMESTAMPTZ
    UNION ALL
    SELECT member_id, (newest."at", false, impression_id), newest."at", impression_id, newest.language, newest.country,
        newest.zone, newest."limit", NULL, NULL
    FROM kept
)
SELECT member_id,
    arg_max(told(language), place) FILTER (told(language) IS NOT NULL) AS language,
    arg_max(told(country), place) FILTER (told(country) IS NOT NULL) AS country,
    arg_max(said_zone, (zone IS NOT NULL, place)) FILTER (said_zone IS NOT NULL) AS time_zone,
    arg_max(impression_id, (zone IS NOT NULL, place)) FILTER (said_zone IS NOT NULL) AS zone_from,
    arg_max(max_maturity, ("at", -max_maturity)) FILTER (max_maturity >= 0) AS max_maturity,
    CASE WHEN count(*) FILTER (max_maturity >= 0) = 0 THEN
        arg_max(CASE WHEN max_maturity < 0 THEN concat('impression ''', impression_id, ''', max_maturity ', max_maturity)
            ELSE fault_example END, place)
            FILTER (fault = 'bad_max_maturity' OR max_maturity < 0)
    END AS bad_limit
FROM told LEFT JOIN known_zone ON spelled = lower(said_zone)
GROUP BY member_id;
