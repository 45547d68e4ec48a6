-- The largest hash of the pairs to hold out: of $pairs pairs, or of one in $share where there are not that many.
WITH pairs AS (
    SELECT DISTINCT pair_hash($seed, member, title_id) AS hash
    FROM asked JOIN member USING (member_id)
    WHERE reason IS NULL
),
ranked AS (SELECT hash, row_number() OVER (ORDER BY hash) AS rank FROM pairs)
SELECT max(hash) AS up_to FROM ranked WHERE rank <= least($pairs, (SELECT count(*) FROM pairs) // $share);
