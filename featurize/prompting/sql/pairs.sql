-- Pairs to rank at $moment as questions; all artworks of the title are candidates.
CREATE OR REPLACE TEMP TABLE asked AS
SELECT
    (row_number() OVER ())::INTEGER AS asked_no,
    NULL::VARCHAR AS impression_id, member_id, title_id, $moment::TIMESTAMPTZ AS asked_at,
    NULL::VARCHAR AS shown, coalesce(candidates, []) AS candidates, NULL::DOUBLE AS propensity, NULL::DOUBLE AS reward,
    CASE
        WHEN copy > 1 THEN 'duplicate_id'
        WHEN coalesce(member_id, '') = '' OR coalesce(title_id, '') = '' THEN 'incomplete'
        WHEN title_no IS NULL THEN 'unknown_title'
    END AS reason
FROM (SELECT *, row_number() OVER (PARTITION BY member_id, title_id) AS copy FROM pair)
LEFT JOIN title USING (title_id)
LEFT JOIN (SELECT title_id, list(DISTINCT artwork_id) AS candidates FROM artwork_state GROUP BY title_id) USING (title_id);
