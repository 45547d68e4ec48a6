-- Files that are damaged beside their pixels: the picture was used, and this is what is wrong with the file. One row per
-- picture and model that computed a row from it. A file whose pixels are damaged is in quarantine instead.
CREATE TABLE damage (
    image_sha256 VARCHAR NOT NULL CHECK (length(image_sha256) = 64),
    model_key VARCHAR NOT NULL,
    uri VARCHAR NOT NULL CHECK (uri <> ''),
    note VARCHAR NOT NULL CHECK (note <> ''),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (image_sha256, model_key)
);
COMMENT ON COLUMN damage.image_sha256 IS 'SHA-256 of the file; joins artwork and the features';
COMMENT ON COLUMN damage.model_key IS 'Model whose row of the picture is meant; joins the features';
COMMENT ON COLUMN damage.uri IS 'A file with that content';
COMMENT ON COLUMN damage.note IS 'What is broken, such as a profile that was ignored or a missing end marker; the pixels are whole';
COMMENT ON COLUMN damage.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN damage.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN damage.computed_at IS 'When the row was computed, UTC';
