-- Pairs of each member active in the $days days before $moment with each title of $titles.
CREATE OR REPLACE TEMP TABLE pair AS
SELECT member_id, title_id, NULL::VARCHAR AS language
FROM (
    SELECT DISTINCT member_id FROM history
    WHERE "at" < $moment::TIMESTAMPTZ AND "at" >= $moment::TIMESTAMPTZ - to_days($days::INTEGER)
), (SELECT DISTINCT unnest($titles::VARCHAR[]) AS title_id);
