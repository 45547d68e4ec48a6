-- Of each row of `pair` (pair_no, moment_no, artwork_id) whose artwork the member of its `moment` was shown in the 60 days
-- before: how often, and how often without a play. What came of it is known a day later, whatever it was.
SELECT pair_no, count(*)::DOUBLE AS shown,
    count(*) FILTER (WHERE reward < 0.5 AND impression."at" <= asked_at - INTERVAL 24 HOUR)::DOUBLE AS unplayed
FROM pair
JOIN moment USING (moment_no)
JOIN impression ON impression.member_id = moment.member_id AND impression.artwork_id = pair.artwork_id
    AND impression."at" < asked_at AND impression."at" >= asked_at - INTERVAL 60 DAY
GROUP BY pair_no
