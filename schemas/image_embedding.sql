-- One unit-norm vector per picture and model. Parquet has no fixed-size list: read it as embedding::FLOAT[n].
CREATE TABLE image_embedding (
    image_sha256 VARCHAR NOT NULL CHECK (length(image_sha256) = 64),
    model_key VARCHAR NOT NULL,
    embedding FLOAT[] NOT NULL CHECK (abs(list_dot_product(embedding, embedding) - 1) < 0.001),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (image_sha256, model_key)
);
COMMENT ON COLUMN image_embedding.image_sha256 IS 'SHA-256 of the file; joins artwork';
COMMENT ON COLUMN image_embedding.model_key IS 'Model that computed it; joins model';
COMMENT ON COLUMN image_embedding.embedding IS 'Unit-norm float32 vector, the same width in every row of one model_key';
COMMENT ON COLUMN image_embedding.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN image_embedding.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN image_embedding.computed_at IS 'When the row was computed, UTC';
