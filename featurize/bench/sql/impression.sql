-- $impressions over the last 60 of those 180 days, of which days $first to $last; a title has from 2 to 8 artworks.
SELECT printf('i%08d', i) AS impression_id, printf('m%07d', hash(i * 5 + 3) % $members::UBIGINT) AS member_id,
    title_id, candidates[1 + (hash(i * 17) % len(candidates))::BIGINT] AS artwork_id, candidates,
    1 / len(candidates) AS propensity,
    to_timestamp(1746057600 + i::DOUBLE * 5184000 / $impressions::DOUBLE) AS "at",
    (hash(i * 29) % 10 = 0)::DOUBLE AS reward,
    ['phone', 'television', 'tablet', 'laptop'][1 + (hash(i * 31) % 4)::BIGINT] AS device,
    ['BR', 'DE', 'US'][1 + (hash(i * 37) % 3)::BIGINT] AS country, ['pt-BR', 'de', 'en'][1 + (hash(i * 37) % 3)::BIGINT] AS language,
    ['America/Sao_Paulo', 'Europe/Berlin', 'America/Chicago'][1 + (hash(i * 37) % 3)::BIGINT] AS time_zone
FROM (
    SELECT i, printf('t%04d', t) AS title_id,
        list_transform(range(2 + t % 7), lambda k: printf('t%04d-%d', t, k)) AS candidates
    FROM (SELECT i, (hash(i * 23) % $titles::UBIGINT)::BIGINT AS t FROM range($impressions::BIGINT) AS numbers (i))
    WHERE i * 60 // $impressions::BIGINT BETWEEN $first AND $last
);
