-- Of the artworks that were present from this source: how many there are, how many are not listed now, and one of these.
-- What came since the last run that ended well may go again: a bad delivery that a run failed on is taken back so.
WITH settled AS (
    SELECT CASE
        WHEN count(*) = 0 THEN 'infinity'::TIMESTAMPTZ
        ELSE coalesce(max(started_at + to_seconds(seconds)) FILTER (outcome = 'done'), '-infinity'::TIMESTAMPTZ) END AS until
    FROM run WHERE job IN ('featurize', 'nightly') AND run_id <> $run_id
),
newest AS (
    SELECT artwork_id, present, source, min(seen_at) OVER (PARTITION BY artwork_id, clip) AS first_seen_at
    FROM seen_before
    QUALIFY row_number() OVER (PARTITION BY artwork_id, clip ORDER BY seen_at DESC, run_id DESC) = 1
)
SELECT count(*) AS known, count(*) FILTER (listed.artwork_id IS NULL) AS gone,
       min(newest.artwork_id) FILTER (listed.artwork_id IS NULL) AS example
FROM newest LEFT JOIN listed USING (artwork_id)
WHERE first_seen_at <= (SELECT until FROM settled) AND newest.present AND list_contains($sources, newest.source)
