-- What was found of history in order of member and time: the rows before a moment are then a range of row ids. Rows of one
-- key lie side by side, and last the one with most minutes.
CREATE OR REPLACE TEMP TABLE event AS
SELECT * REPLACE (kind::event_kind AS kind) FROM found_event
ORDER BY member_no, happened_at, title_no, kind, minutes NULLS FIRST;
