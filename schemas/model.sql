-- What a model_key stands for.
CREATE TABLE model (
    model_key VARCHAR NOT NULL,
    backend VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL CHECK (json_valid(fingerprint)),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (model_key)
);
COMMENT ON COLUMN model.model_key IS 'Backend name and digest of the fingerprint';
COMMENT ON COLUMN model.backend IS 'File of featurize/models or featurize/rankers, or decode, tags, prompts and template';
COMMENT ON COLUMN model.fingerprint IS 'JSON of all that changes the numbers: weights, revision, dtype, preprocessing, prompt, decoding';
COMMENT ON COLUMN model.run_id IS 'First run that used it';
COMMENT ON COLUMN model.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN model.computed_at IS 'When it was first used, UTC';
