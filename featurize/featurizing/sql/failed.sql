-- Answers of this run that could not be used, by status.
SELECT status, count(*) FROM description
WHERE run_id = $run_id AND status <> 'ok'
GROUP BY status ORDER BY status
