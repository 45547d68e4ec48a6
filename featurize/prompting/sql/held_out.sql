-- The largest hash of the pairs to hold out: of $pairs pairs, or of one in $share where $pairs would be more than half.
WITH pairs AS (
    SELECT DISTINCT pair_hash($seed, member, title_id) AS hash
    FROM asked JOIN member USING (member_id)
    WHERE reason IS NULL
),
ranked AS (SELECT hash, row_number() OVER (ORDER BY hash) AS rank, count(*) OVER () AS all_pairs FROM pairs)
SELECT max(hash) AS up_to FROM ranked
WHERE rank <= CASE WHEN 2 * $pairs <= all_pairs THEN $pairs ELSE all_pairs // $share END;
