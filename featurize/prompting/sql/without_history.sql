-- Of the members asked about, how many there are, how many of them have history, and one who has none.
SELECT count(*), count(known.member_no), min(member) FILTER (known.member_no IS NULL)
FROM (SELECT DISTINCT member_id FROM question) JOIN member USING (member_id)
LEFT JOIN (SELECT DISTINCT member_no FROM event) known ON known.member_no = member.member_no;
