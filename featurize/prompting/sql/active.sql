-- Pairs of each member active in the $days days before $moment with each title of $titles.
CREATE OR REPLACE TEMP TABLE pair AS
SELECT member_id, title_id, NULL::INTEGER AS max_maturity, NULL::VARCHAR AS device, NULL::VARCHAR AS country,
    NULL::VARCHAR AS language, NULL::VARCHAR AS time_zone, NULL::VARCHAR AS fault, NULL::VARCHAR AS fault_example
FROM (
    SELECT DISTINCT member_id FROM history
    WHERE "at" < $moment::TIMESTAMPTZ AND "at" >= $moment::TIMESTAMPTZ - to_days($days::INTEGER)
), (SELECT DISTINCT unnest($titles::VARCHAR[]) AS title_id);
