-- What came of each impression that has a prompt: what the log said first, and a row more whenever it says otherwise.
-- The newest revision counts.
CREATE TABLE label (
    impression_id VARCHAR NOT NULL CHECK (impression_id <> ''),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    reward DOUBLE NOT NULL CHECK (reward BETWEEN 0 AND 1),
    minutes DOUBLE CHECK (minutes >= 0),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (impression_id, revision)
);
COMMENT ON COLUMN label.impression_id IS 'Impression; joins prompt';
COMMENT ON COLUMN label.revision IS 'Which label of the impression this is, from 1';
COMMENT ON COLUMN label.reward IS 'What came of showing the artwork, 0 to 1';
COMMENT ON COLUMN label.minutes IS 'Minutes watched; NULL where no log said so';
COMMENT ON COLUMN label.run_id IS 'Run that read it';
COMMENT ON COLUMN label.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN label.computed_at IS 'When it was read, UTC';
