SELECT reason, stage, detail, uri, image_sha256, retryable, attempts, lacks, artwork_ids, computed_at
FROM quarantine_open ORDER BY computed_at DESC, uri LIMIT $most;
