-- Of each row of `pair` (pair_no, moment_no, artwork_id) whose artwork shows somebody: how often the member of its `moment`
-- had played titles with them, and of several people, with the one played most.
WITH depicted AS (
    SELECT DISTINCT artwork_id, lower(unnest(depicts)) AS name FROM artwork_present
),
cast_of AS (
    SELECT DISTINCT title_id, lower(unnest("cast")) AS name FROM title
),
asked AS (
    SELECT DISTINCT moment_no, name FROM pair JOIN depicted USING (artwork_id)
),
met AS (
    SELECT moment_no, name, count(*) AS plays
    FROM moment
    JOIN history ON history.member_id = moment.member_id AND history."at" < moment.asked_at AND history.event = 'play'
    JOIN cast_of ON cast_of.title_id = history.title_id
    SEMI JOIN asked USING (moment_no, name)
    GROUP BY ALL
)
SELECT pair_no, max(coalesce(plays, 0))::DOUBLE AS plays
FROM pair JOIN depicted USING (artwork_id) LEFT JOIN met USING (moment_no, name)
GROUP BY pair_no
