-- $rows events of $members members over 180 days, in the order of time.
SELECT printf('m%07d', hash(i * 7 + 1) % $members::UBIGINT) AS member_id,
    printf('t%04d', hash(i * 13 + 5) % $titles::UBIGINT) AS title_id,
    CASE WHEN dice < 85 THEN 'play' WHEN dice < 90 THEN 'thumbs_up' WHEN dice < 93 THEN 'thumbs_down' ELSE 'list_add' END
        AS event,
    to_timestamp(1735689600 + i::DOUBLE * 15552000 / $rows::DOUBLE) AS "at",
    CASE WHEN dice < 85 THEN (hash(i * 11) % 120)::DOUBLE END AS minutes
FROM (SELECT i, hash(i * 3 + 2) % 100 AS dice FROM range($rows::BIGINT) AS t (i));
