-- What was known of each artwork shown, and of each candidate of a held-out prompt, before that moment: the sums of
-- rewards and the counts of impressions until then, of the artwork, of its title and of the member.
WITH event AS (
    SELECT asked_at, member_id, title_id, reward,
        artwork_ids[shown_place] AS artwork_id
    FROM logged
),
by_artwork AS (
    SELECT artwork_id, asked_at, sum(sum(reward)) OVER until_then AS rewards, sum(count(*)) OVER until_then AS times
    FROM event GROUP BY artwork_id, asked_at
    WINDOW until_then AS (PARTITION BY artwork_id ORDER BY asked_at)
),
by_title AS (
    SELECT title_id, asked_at, sum(sum(reward)) OVER until_then AS rewards, sum(count(*)) OVER until_then AS times
    FROM event GROUP BY title_id, asked_at
    WINDOW until_then AS (PARTITION BY title_id ORDER BY asked_at)
),
by_member AS (
    SELECT member_id, asked_at, sum(sum(reward)) OVER until_then AS rewards, sum(count(*)) OVER until_then AS times
    FROM event GROUP BY member_id, asked_at
    WINDOW until_then AS (PARTITION BY member_id ORDER BY asked_at)
),
wanted AS (
    SELECT NULL AS number, NULL AS place, member_id, title_id, asked_at, artwork_ids[shown_place] AS artwork_id,
        reward, len(artwork_ids) AS candidates, device
    FROM logged
    UNION ALL
    SELECT number, generate_subscripts(artwork_ids, 1) - 1, member_id, title_id, asked_at, unnest(artwork_ids), NULL,
        len(artwork_ids), device
    FROM held_out
)
SELECT number, place, w.member_id, w.artwork_id, w.reward, w.candidates, w.device, w.asked_at,
    coalesce(a.rewards, 0)::DOUBLE AS artwork_rewards, coalesce(a.times, 0)::DOUBLE AS artwork_times,
    coalesce(t.rewards, 0)::DOUBLE AS title_rewards, coalesce(t.times, 0)::DOUBLE AS title_times,
    coalesce(m.rewards, 0)::DOUBLE AS member_rewards, coalesce(m.times, 0)::DOUBLE AS member_times
FROM wanted w
ASOF LEFT JOIN by_artwork a ON w.artwork_id = a.artwork_id AND w.asked_at > a.asked_at
ASOF LEFT JOIN by_title t ON w.title_id = t.title_id AND w.asked_at > t.asked_at
ASOF LEFT JOIN by_member m ON w.member_id = m.member_id AND w.asked_at > m.asked_at
ORDER BY number, place, w.member_id, w.asked_at, w.artwork_id;
