-- Rows of `label`, in the order of the parts.
SELECT impression_id, revision, reward, minutes,
    $run_id AS run_id, $code_version AS code_version, $now::TIMESTAMPTZ AS computed_at
FROM new_label
ORDER BY day, impression_id;
