-- The newest runs, newest first.
SELECT run_id, job, night, started_at, seconds, outcome, message, counts, to_do, done, code_version
FROM runs ORDER BY started_at DESC, run_id LIMIT $most;
