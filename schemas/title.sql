-- Input: the titles of a catalogue, as CSV, JSON lines or Parquet.
CREATE TABLE title (
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    name VARCHAR NOT NULL CHECK (name <> ''),
    year INTEGER,
    genres VARCHAR[],
    synopsis VARCHAR,
    "cast" VARCHAR[],
    PRIMARY KEY (title_id)
);
COMMENT ON COLUMN title.title_id IS 'Unique id of the title';
COMMENT ON COLUMN title.name IS 'What members read';
COMMENT ON COLUMN title.year IS 'Optional: year of release';
COMMENT ON COLUMN title.genres IS 'Optional';
COMMENT ON COLUMN title.synopsis IS 'Optional';
COMMENT ON COLUMN title."cast" IS 'Optional: who is in it, the most important first';
