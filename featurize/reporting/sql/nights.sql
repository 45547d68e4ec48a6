-- Jobs by the day (UTC) on which they started: how many runs ended in which way.
SELECT started_at::DATE AS night, job, outcome, count(*) AS runs, max(started_at) AS last_at,
       arg_max(message, started_at) AS message, sum(seconds) AS seconds, arg_max(run_id, started_at) AS run_id
FROM runs WHERE started_at >= $since::TIMESTAMPTZ
GROUP BY ALL ORDER BY night, job;
