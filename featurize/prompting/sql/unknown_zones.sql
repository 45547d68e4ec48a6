-- How many questions have a time zone that is none, one of them in words, and how many have any.
SELECT count_if(time_zone IS NULL), min(concat_ws(', ',
        CASE WHEN $logged THEN concat('impression ''', impression_id, '''') END,
        CASE WHEN NOT $logged AND $members THEN concat('member ''', member_id, '''') END,
        CASE WHEN NOT $logged THEN concat('title ''', title_id, '''') END,
        concat('time_zone ''', said_zone, '''', ' of impression ''' || zone_from || ''''))) FILTER (time_zone IS NULL),
    count(*)
FROM asked
WHERE reason IS NULL AND said_zone IS NOT NULL;
