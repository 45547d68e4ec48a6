-- The phases of the newest runs as they were written down: JSON, with whatever was counted.
SELECT run_id, run.job, started_at, seconds, outcome, json_extract(run.counts, '$.phases') AS phases,
       json_extract(run.counts, '$.spent') AS whole
FROM run WHERE outcome <> 'started' ORDER BY started_at DESC, run_id LIMIT $most;
