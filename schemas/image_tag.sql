-- Zero-shot tags, computed from stored embeddings: one row per picture, attribute and label.
CREATE TABLE image_tag (
    image_sha256 VARCHAR NOT NULL CHECK (length(image_sha256) = 64),
    model_key VARCHAR NOT NULL,
    attribute VARCHAR NOT NULL,
    label VARCHAR NOT NULL,
    score FLOAT NOT NULL CHECK (score BETWEEN -1.001 AND 1.001),
    probability FLOAT NOT NULL CHECK (probability BETWEEN 0 AND 1),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (image_sha256, model_key, attribute, label)
);
COMMENT ON COLUMN image_tag.image_sha256 IS 'SHA-256 of the file; joins artwork';
COMMENT ON COLUMN image_tag.model_key IS 'Tagger: embedding model and label file together; joins model';
COMMENT ON COLUMN image_tag.attribute IS 'genre, mood, setting, shot, people, or another of the label file, such as maturity';
COMMENT ON COLUMN image_tag.label IS 'One label of the attribute';
COMMENT ON COLUMN image_tag.score IS 'Cosine of the picture and the mean of the label''s phrasings';
COMMENT ON COLUMN image_tag.probability IS 'Softmax over the labels of the attribute at the model''s temperature; sums to 1';
COMMENT ON COLUMN image_tag.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN image_tag.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN image_tag.computed_at IS 'When the row was computed, UTC';
