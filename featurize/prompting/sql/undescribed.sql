-- The pictures of candidates without a description, by the status of the one that failed (NULL where there is none yet).
SELECT status, count(DISTINCT image_sha256), min(artwork_id)
FROM candidate JOIN artwork_state USING (state_no) JOIN picture USING (image_sha256)
WHERE NOT described
GROUP BY status
ORDER BY status NULLS LAST;
