-- Of the artworks that were present from this source: how many there are, how many are not listed now, and one of these.
WITH newest AS (
    SELECT artwork_id, present, source FROM seen_before
    QUALIFY row_number() OVER (PARTITION BY artwork_id, clip ORDER BY seen_at DESC, run_id DESC) = 1
)
SELECT count(*) AS known, count(*) FILTER (listed.artwork_id IS NULL) AS gone,
       min(newest.artwork_id) FILTER (listed.artwork_id IS NULL) AS example
FROM newest LEFT JOIN listed USING (artwork_id)
WHERE newest.present AND list_contains($sources, newest.source)
