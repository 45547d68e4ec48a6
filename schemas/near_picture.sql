-- Which pictures look nearly like this one, by an embedding model and down to a cosine: one row per picture that was
-- compared with all the embeddings of that model which the store then had. A pair is in the row of the one compared later, or of both.
CREATE TABLE near_picture (
    image_sha256 VARCHAR NOT NULL CHECK (length(image_sha256) = 64),
    model_key VARCHAR NOT NULL,
    near VARCHAR[] NOT NULL,
    cosines FLOAT[] NOT NULL CHECK (len(cosines) = len(near)),
    found BIGINT NOT NULL CHECK (found >= len(near)),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (image_sha256, model_key)
);
COMMENT ON COLUMN near_picture.image_sha256 IS 'SHA-256 of the file; joins artwork';
COMMENT ON COLUMN near_picture.model_key IS 'Comparison: embedding model and lowest cosine together; joins model';
COMMENT ON COLUMN near_picture.near IS 'SHA-256 of the pictures that look nearly like it, the nearest first; at most 100, and mostly none';
COMMENT ON COLUMN near_picture.cosines IS 'Cosine of each of them';
COMMENT ON COLUMN near_picture.found IS 'How many there were, also beyond the 100 nearest';
COMMENT ON COLUMN near_picture.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN near_picture.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN near_picture.computed_at IS 'When the row was computed, UTC';
