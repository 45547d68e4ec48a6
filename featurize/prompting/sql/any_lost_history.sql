-- Whether any row of history cannot be used as it is: all that `history_fault` and `bad_minutes` ask, but apart, so that
-- the statistics of Parquet files answer most of it. To look at every row as lost_history does takes four times as long.
SELECT EXISTS (SELECT 1 FROM history WHERE fault IS NOT NULL)
    OR EXISTS (SELECT 1 FROM history WHERE member_id IS NULL OR member_id = '')
    OR EXISTS (SELECT 1 FROM history WHERE title_id IS NULL OR title_id = '')
    OR EXISTS (SELECT 1 FROM history WHERE event IS NULL)
    OR EXISTS (SELECT 1 FROM history WHERE "at" IS NULL OR wrong_clock("at", $now))
    OR EXISTS (SELECT 1 FROM history WHERE NOT isfinite(minutes) OR minutes < 0 OR minutes >= 1e6)
    OR EXISTS (SELECT 1 FROM (SELECT DISTINCT title_id FROM history) ANTI JOIN title USING (title_id));
