-- Every run of one job in the store, whoever started it: its seconds where the work was done before the experiment.
SELECT run_id, started_at, round(seconds, 3) AS seconds, outcome, done, code_version
FROM runs
WHERE job = $job
ORDER BY started_at
