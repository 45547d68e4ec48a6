-- The history of the members asked about, up to the last question about each. `fault` is not asked for, since to make it
-- costs more than all else here: what it stands for is NULL, or no known event.
CREATE OR REPLACE TEMP VIEW found_event AS
SELECT member_no, h."at" AS happened_at, title_no, TRY_CAST(event AS event_kind) AS kind,
    CASE WHEN event = 'play' AND minutes >= 0 AND minutes < 1e6 THEN TRY_CAST(floor(minutes) AS INTEGER) END AS minutes
FROM history h
JOIN (
    SELECT member_id, member_no, max(asked_at) AS latest
    FROM question JOIN member USING (member_id) GROUP BY ALL
) m ON m.member_id = h.member_id
JOIN title t ON t.title_id = h.title_id
WHERE h."at" < latest AND NOT wrong_clock(h."at", $now) AND kind IS NOT NULL;
