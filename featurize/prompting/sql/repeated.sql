-- How many rows of `event` are there already, with the first of them in words; no row if there are none.
SELECT repeated.rows, concat_ws(', ',
    CASE WHEN $members THEN 'member ''' || member_id || '''' END,
    'title ''' || title_id || '''', 'event ' || kind, 'at ' || happened_at)
FROM (SELECT count(*) AS rows, min(place) AS place FROM marked_event WHERE again) repeated
JOIN event ON event.rowid = repeated.place
JOIN member USING (member_no) JOIN title USING (title_no);
