-- Table `event` with one row of each key. Written anew, so that row ids have no gaps.
CREATE OR REPLACE TEMP TABLE event AS
SELECT * EXCLUDE (place, again) FROM marked_event WHERE NOT again;
