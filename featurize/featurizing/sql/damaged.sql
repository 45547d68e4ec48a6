-- How many pictures this run used although their files are damaged, and one of them.
SELECT count(DISTINCT image_sha256), min(uri || ': ' || note)
FROM damage
WHERE run_id = $run_id
