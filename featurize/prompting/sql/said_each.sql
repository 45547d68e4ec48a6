-- What the lines of history say: one of each event.
CREATE OR REPLACE TEMP VIEW recent_said AS
SELECT moment_no, place, title_no, what(kind, minutes) AS what, hours FROM recent;
