-- How many candidates are above the limit of age of their question, one of them in words.
SELECT count(*), min(concat_ws(', ',
    CASE WHEN $logged THEN concat('impression ''', impression_id, '''') END,
    CASE WHEN NOT $logged AND $members THEN concat('member ''', member_id, '''') END,
    CASE WHEN NOT $logged THEN concat('title ''', title_id, '''') END,
    concat('candidate ''', artwork_id, '''')))
FROM unsuitable JOIN asked USING (asked_no);
