-- One unit-norm vector per text and model: label phrasings, in the space of the image embeddings of that model; and what is
-- said of titles and their artworks (descriptions, names, synopses), by the model of section text.
CREATE TABLE text_embedding (
    text_sha256 VARCHAR NOT NULL CHECK (length(text_sha256) = 64),
    model_key VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    embedding FLOAT[] NOT NULL CHECK (abs(list_dot_product(embedding, embedding) - 1) < 0.001),
    tokens_cut INTEGER CHECK (tokens_cut >= 0),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (text_sha256, model_key)
);
COMMENT ON COLUMN text_embedding.text_sha256 IS 'SHA-256 of the UTF-8 text';
COMMENT ON COLUMN text_embedding.model_key IS 'Text model that computed it; joins model';
COMMENT ON COLUMN text_embedding.text IS 'The text itself';
COMMENT ON COLUMN text_embedding.embedding IS 'Unit-norm float32 vector, the same width in every row of one model_key';
COMMENT ON COLUMN text_embedding.tokens_cut IS 'Tokens beyond what the model reads, which the vector knows nothing of; NULL where that was not counted';
COMMENT ON COLUMN text_embedding.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN text_embedding.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN text_embedding.computed_at IS 'When the row was computed, UTC';
