-- Input: the artworks of a catalogue, as CSV, JSON lines or Parquet.
CREATE TABLE manifest (
    artwork_id VARCHAR NOT NULL CHECK (artwork_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    uri VARCHAR NOT NULL CHECK (uri <> ''),
    kind VARCHAR,
    locale VARCHAR,
    priority DOUBLE,
    valid_from TIMESTAMPTZ,
    valid_to TIMESTAMPTZ,
    depicts VARCHAR[],
    maturity INTEGER CHECK (maturity BETWEEN 0 AND 18),
    PRIMARY KEY (artwork_id)
);
COMMENT ON COLUMN manifest.artwork_id IS 'Unique id of the artwork';
COMMENT ON COLUMN manifest.title_id IS 'Title it belongs to';
COMMENT ON COLUMN manifest.uri IS 'Local path, relative to the manifest or absolute, or s3:// address';
COMMENT ON COLUMN manifest.kind IS 'Optional: poster, still, ...';
COMMENT ON COLUMN manifest.locale IS 'Optional: language the artwork is for, such as pt or pt-BR; without one it is for all';
COMMENT ON COLUMN manifest.priority IS 'Optional: a number of the catalogue''s own; what is missing of the highest is computed first';
COMMENT ON COLUMN manifest.valid_from IS 'Optional, with time zone: first moment it may be shown';
COMMENT ON COLUMN manifest.valid_to IS 'Optional, with time zone: first moment it may no longer be shown';
COMMENT ON COLUMN manifest.depicts IS 'Optional: who or what is on it, named as in a title''s cast';
COMMENT ON COLUMN manifest.maturity IS 'Optional: from which age on it is fit to be seen, 0 (by all) to 18; without one it has no limit';
