-- What a clip sounds like, in words: one row per clip and model, also where there is nothing to hear.
CREATE TABLE sound_description (
    clip_sha256 VARCHAR NOT NULL CHECK (length(clip_sha256) = 64),
    model_key VARCHAR NOT NULL,
    description VARCHAR CHECK (description <> ''),
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'no_audio', 'silent', 'truncated', 'empty')),
    raw_text VARCHAR,
    finish_reason VARCHAR,
    seconds DOUBLE NOT NULL CHECK (seconds >= 0),
    begins DOUBLE[] NOT NULL,
    ends DOUBLE[] NOT NULL CHECK (len(ends) = len(begins)),
    prompt_tokens INTEGER NOT NULL CHECK (prompt_tokens >= 0),
    output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (clip_sha256, model_key)
);
COMMENT ON COLUMN sound_description.clip_sha256 IS 'SHA-256 of the file; joins clip';
COMMENT ON COLUMN sound_description.model_key IS 'Model that wrote it; joins model';
COMMENT ON COLUMN sound_description.description IS 'The sound in words; NULL where there are none';
COMMENT ON COLUMN sound_description.status IS 'ok, no_audio (no sound stream), silent (nothing loud enough: the model was not asked), truncated (the token limit came before the end of it) or empty (no words)';
COMMENT ON COLUMN sound_description.raw_text IS 'The answer as the model gave it; NULL where it was not asked';
COMMENT ON COLUMN sound_description.finish_reason IS 'stop or length; NULL where it was not asked';
COMMENT ON COLUMN sound_description.seconds IS 'Length of the clip, by its packets';
COMMENT ON COLUMN sound_description.begins IS 'Seconds at which each stretch begins that the model was given';
COMMENT ON COLUMN sound_description.ends IS 'Seconds at which it ends';
COMMENT ON COLUMN sound_description.prompt_tokens IS 'Tokens of the prompt, those of the sound included';
COMMENT ON COLUMN sound_description.output_tokens IS 'Tokens of the answer';
COMMENT ON COLUMN sound_description.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN sound_description.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN sound_description.computed_at IS 'When the row was computed, UTC';
