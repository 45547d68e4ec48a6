-- Input: what members did, as CSV, JSON lines or Parquet. Rows that break the contract are counted and left out.
CREATE TABLE history (
    member_id VARCHAR NOT NULL CHECK (member_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    event VARCHAR NOT NULL CHECK (event IN ('play', 'thumbs_up', 'thumbs_down', 'list_add')),
    "at" TIMESTAMPTZ NOT NULL,
    minutes DOUBLE CHECK (minutes >= 0),
    PRIMARY KEY (member_id, title_id, event, "at")
);
COMMENT ON COLUMN history.member_id IS 'Who';
COMMENT ON COLUMN history.title_id IS 'With which title';
COMMENT ON COLUMN history.event IS 'play, thumbs_up, thumbs_down or list_add';
COMMENT ON COLUMN history."at" IS 'When, with time zone';
COMMENT ON COLUMN history.minutes IS 'Optional: minutes watched, of a play';
