-- The history of the members asked about, up to the last question about each, in order of member and time: the rows
-- before a moment are then a range of row ids. Rows that break the contract or name an unknown title belong to nobody;
-- they come last, to be counted.
CREATE OR REPLACE TEMP TABLE event AS
SELECT CASE WHEN kind IS NOT NULL AND title_no IS NOT NULL AND happened_at IS NOT NULL THEN member_no END AS member_no,
    happened_at, title_no, kind, minutes
FROM (
    SELECT member_no, h."at" AS happened_at, title_no, TRY_CAST(event AS event_kind) AS kind,
        CASE WHEN event = 'play' AND minutes >= 0 AND minutes < 1e6 THEN TRY_CAST(floor(minutes) AS INTEGER) END AS minutes
    FROM history h
    JOIN (
        SELECT member_id, member_no, max(asked_at) AS latest
        FROM question JOIN member USING (member_id) GROUP BY ALL
    ) m ON m.member_id = h.member_id
    LEFT JOIN title t ON t.title_id = h.title_id
    WHERE h."at" < latest OR h."at" IS NULL
)
ORDER BY member_no, happened_at, title_no, kind, minutes;
