-- Pictures of which every description failed, with the number of tries, for those that may be tried once more.
CREATE OR REPLACE TEMP TABLE failed AS
SELECT image_sha256, count(*)::INTEGER AS tries
FROM features
GROUP BY image_sha256
HAVING bool_and(status <> 'ok') AND tries < $max_attempts;
