-- $prompts logged prompts of $members members, the first $held_out of them held out: columns of table prompt. Production
-- shows the first of 2 to 8 candidates half of the time, else any.
SELECT md5(i::VARCHAR) AS prompt_id, 'logged' AS kind, printf('i%08d', i) AS impression_id,
    printf('m%07d', hash(i * 5 + 3) % $members::UBIGINT) AS member_id, title_id,
    to_timestamp(1746057600 + hash(i * 3) % 5184000::UBIGINT) AS asked_at, artwork_ids,
    [{'role': 'user', 'content': 'Which?'}] AS messages, 'Which?' AS prompt,
    substr('ABCDEFGH', shown, 1) AS answer, (hash(i * 29) % 10 < CASE WHEN shown % 2 = 0 THEN 3 ELSE 1 END)::DOUBLE AS reward,
    propensities[shown] AS propensity, propensities,
    ['phone', 'television', 'tablet', 'laptop'][1 + (hash(i * 31) % 4)::BIGINT] AS device,
    CASE WHEN i < $held_out THEN 'held_out' ELSE 'train' END AS split,
    'template' AS template_key, 'words' AS model_key, 'bench' AS recipe_key, 6 AS tokens, 'characters' AS tokens_by,
    'bench' AS run_id, 'bench' AS code_version, now() AS computed_at
FROM (
    SELECT *, CASE WHEN hash(i * 41) % 2 = 0 THEN 1 ELSE 1 + (hash(i * 17) % count)::BIGINT END AS shown,
        list_transform(range(count), lambda k: 0.5 / count + CASE WHEN k = 0 THEN 0.5 ELSE 0 END) AS propensities,
        list_transform(range(count), lambda k: printf('t%04d-%d', t, k)) AS artwork_ids
    FROM (
        SELECT i, t, printf('t%04d', t) AS title_id, 2 + t % 7 AS count
        FROM (SELECT i, (hash(i * 23) % 2000)::BIGINT AS t FROM range($prompts::BIGINT) AS numbers (i))
    )
);
