-- The newest runs, newest first.
SELECT run_id, job, night, started_at, seconds, state, message, counts, to_do, done, left_over, code_version
FROM told_run ORDER BY started_at DESC, run_id LIMIT $most;
