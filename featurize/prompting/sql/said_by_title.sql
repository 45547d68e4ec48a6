-- What the lines of history say: one of each title, at the place of its newest event.
CREATE OR REPLACE TEMP VIEW recent_said AS
SELECT moment_no, place, title_no, hours,
    concat_ws(', ',
        CASE WHEN times > 0 THEN plays(times, minutes, going_on) END,
        CASE WHEN thumb IS NOT NULL THEN what(thumb, NULL, false) END,
        CASE WHEN listed THEN what('list_add', NULL, false) END) AS what
FROM (
    SELECT moment_no, title_no, max(place) AS place, min(hours) AS hours,
        count_if(kind = 'play') AS times, sum(minutes)::BIGINT AS minutes, bool_or(going_on) AS going_on,
        arg_max(kind, place) FILTER (kind IN ('thumbs_up', 'thumbs_down')) AS thumb,
        bool_or(kind = 'list_add') AS listed
    FROM recent GROUP BY moment_no, title_no
);
