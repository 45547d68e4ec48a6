-- What the prompts job read of the titles: one row per state a title was read in. View title shows the newest.
CREATE TABLE title_state (
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    name VARCHAR NOT NULL CHECK (name <> ''),
    year INTEGER,
    genres VARCHAR[],
    synopsis VARCHAR,
    "cast" VARCHAR[],
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (title_id, computed_at)
);
COMMENT ON COLUMN title_state.title_id IS 'Id of the title';
COMMENT ON COLUMN title_state.name IS 'What members read';
COMMENT ON COLUMN title_state.year IS 'Year of release; NULL where none was given';
COMMENT ON COLUMN title_state.genres IS 'As given; NULL where none were';
COMMENT ON COLUMN title_state.synopsis IS 'As given; NULL where none was';
COMMENT ON COLUMN title_state."cast" IS 'As given, the most important first; NULL where none was, and in rows of older versions';
COMMENT ON COLUMN title_state.run_id IS 'Run that read it';
COMMENT ON COLUMN title_state.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN title_state.computed_at IS 'When this state was first read, UTC';
