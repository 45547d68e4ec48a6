-- The same by the numbers of moments and in their order, which is that of the parts.
CREATE OR REPLACE TEMP TABLE older AS
SELECT moment_no, number AS genre_no, plays FROM found_older JOIN past ON past.rowid = moment ORDER BY moment_no;
CREATE OR REPLACE TEMP TABLE met AS
SELECT moment_no, number AS person_no, plays, often FROM found_met JOIN past ON past.rowid = moment ORDER BY moment_no;
CREATE OR REPLACE TEMP TABLE recent AS
SELECT moment_no, place, title_no, kind,
    CASE WHEN $until_then THEN minutes_until(minutes, happened_at, asked_at) ELSE minutes END AS minutes,
    goes_on($until_then, minutes, happened_at, asked_at) AS going_on,
    whole_hours(happened_at, asked_at) AS hours
FROM found_recent JOIN past ON past.rowid = moment
ORDER BY moment_no, place;
