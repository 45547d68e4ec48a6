-- Rows of `event`; of those with one key all but the last are `again`. Without an order of its own the window streams:
-- it looks at the row that lies next.
CREATE OR REPLACE TEMP VIEW marked_event AS
SELECT *, lead(member_no) OVER () IS NOT DISTINCT FROM member_no AND lead(happened_at) OVER () = happened_at
    AND lead(title_no) OVER () = title_no AND lead(kind) OVER () = kind AS again
FROM (SELECT rowid AS place, * FROM event);
