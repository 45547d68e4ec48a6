-- Jobs by the night that they were for: how many runs ended in which way.
SELECT night, job, state, count(*) AS runs, max(started_at) AS last_at,
       arg_max(message, started_at) AS message, sum(seconds) AS seconds, arg_max(run_id, started_at) AS run_id
FROM told_run WHERE night >= $since::DATE
GROUP BY ALL ORDER BY night, job;
