-- Of each row of `moment` the plays from strictly before it, by title; of titles with a vector in `title_vector`.
SELECT moment_no, title_no, count(*)::DOUBLE AS plays
FROM moment
JOIN history ON history.member_id = moment.member_id AND history."at" < moment.asked_at AND history.event = 'play'
JOIN title_vector ON title_vector.title_id = history.title_id
GROUP BY ALL
