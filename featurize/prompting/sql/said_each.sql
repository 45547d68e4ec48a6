-- What the lines of history say: one of each event.
CREATE OR REPLACE TEMP VIEW recent_said AS
SELECT moment_no, place, title_no, what(kind, minutes, going_on) AS what, hours FROM recent;
