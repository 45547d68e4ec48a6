-- Impressions that have a prompt or get one, where they are new or other than what was last read of them. `changed` names
-- the columns; most of them differ only where an earlier version kept what is refused now. Pseudonyms of another key are
-- other members.
CREATE OR REPLACE TEMP TABLE new_impression AS
WITH said AS (
    SELECT day, impression_id, member AS member_id, title_id, shown AS artwork_id, list_sort(candidates) AS candidates,
        propensity, asked_at AS "at", policy
    FROM asked JOIN member USING (member_id)
    WHERE reason IS NULL
),
known AS (
    FROM kept_state
    QUALIFY row_number() OVER (PARTITION BY impression_id, member_id ORDER BY computed_at DESC) = 1
)
SELECT said.*,
    CASE WHEN known.impression_id IS NOT NULL THEN concat_ws(', ',
        CASE WHEN said.title_id <> known.title_id THEN 'title_id' END,
        CASE WHEN said.artwork_id <> known.artwork_id THEN 'artwork_id' END,
        CASE WHEN said.candidates <> known.candidates THEN 'candidates' END,
        CASE WHEN said.propensity <> known.propensity THEN 'propensity' END,
        CASE WHEN said."at" <> known."at" THEN 'at' END,
        CASE WHEN said.policy IS DISTINCT FROM known.policy THEN 'policy' END) END AS changed
FROM said LEFT JOIN known USING (impression_id, member_id)
WHERE changed IS DISTINCT FROM ''
ORDER BY day, impression_id;
