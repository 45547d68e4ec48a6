-- A file that could not be read has no hash. It is settled when a state of it was seen later, or when a later run over
-- the same artwork, which would have tried it again, finished without another row.
CREATE OR REPLACE VIEW quarantine_open AS
WITH featurize AS (
    SELECT run_id, started_at, outcome,
           settings->>'$.input.artwork' AS source,
           CAST(settings->'$.run.max_attempts' AS INTEGER) AS max_attempts
    FROM run
    WHERE job IN ('featurize', 'nightly')
),
unread AS (
    FROM quarantine
    WHERE image_sha256 = '' AND stage <> 'model'  -- that would be a prompt
    QUALIFY row_number() OVER (PARTITION BY uri ORDER BY computed_at DESC, attempts DESC) = 1
),
unsettled AS (
    SELECT unread.*
    FROM unread
    LEFT JOIN featurize AS own USING (run_id)
    WHERE NOT EXISTS (SELECT 1 FROM artwork WHERE artwork.uri = unread.uri AND seen_at > unread.computed_at)
      AND NOT EXISTS (SELECT 1 FROM clip WHERE clip.uri = unread.uri AND seen_at > unread.computed_at)
      AND NOT EXISTS (
          SELECT 1
          FROM featurize AS later
          WHERE outcome = 'done' AND later.started_at > unread.computed_at
            AND (own.run_id IS NULL OR later.source IS NOT DISTINCT FROM own.source)
            AND retryable AND attempts < later.max_attempts
      )
),
failing AS (
    SELECT image_sha256, uri, stage, failed_key, reason, detail, retryable, attempts, computed_at,
           list(feature ORDER BY feature) AS lacks, NULL AS listed_as
    FROM quarantine_by_model
    WHERE current
    GROUP BY ALL
    UNION ALL
    SELECT image_sha256, uri, stage, model_key, reason, detail, retryable, attempts, computed_at, NULL, artwork_ids
    FROM unsettled
)
SELECT failing.* EXCLUDE (listed_as),
       -- A file that was never read is in no catalogue: of it, what the catalogue had it for when it was looked for.
       coalesce(
           (SELECT list(artwork_id ORDER BY artwork_id)
            FROM (
                SELECT artwork_id, image_sha256, uri FROM artwork_present
                UNION ALL
                SELECT clip_id, clip_sha256, uri FROM clip_present
            ) AS a
            WHERE a.image_sha256 = failing.image_sha256 OR a.uri = failing.uri),
           listed_as
       ) AS artwork_ids
FROM failing
ORDER BY reason, uri;
COMMENT ON VIEW quarantine_open IS 'What stands between today''s catalogue and the current models: one row per failing picture or clip, or unreadable file, newest attempt. artwork_ids has the ids of clips, too; lacks names the tables without a row of it; NULL where the file itself cannot be read';
