-- What a vision-language model says of the frames of a clip: one row per clip and model.
CREATE TABLE clip_description (
    clip_sha256 VARCHAR NOT NULL CHECK (length(clip_sha256) = 64),
    model_key VARCHAR NOT NULL,
    description VARCHAR CHECK (description <> ''),
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'truncated', 'empty')),
    raw_text VARCHAR NOT NULL,
    finish_reason VARCHAR NOT NULL,
    seconds DOUBLE NOT NULL CHECK (seconds >= 0),
    width INTEGER NOT NULL CHECK (width >= 0),
    height INTEGER NOT NULL CHECK (height >= 0),
    frame_times DOUBLE[] NOT NULL,
    prompt_tokens INTEGER NOT NULL CHECK (prompt_tokens >= 0),
    output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (clip_sha256, model_key)
);
COMMENT ON COLUMN clip_description.clip_sha256 IS 'SHA-256 of the file; joins clip';
COMMENT ON COLUMN clip_description.model_key IS 'Model that wrote it; joins model';
COMMENT ON COLUMN clip_description.description IS 'The clip in words; NULL where status is empty';
COMMENT ON COLUMN clip_description.status IS 'ok, truncated (the token limit came before the end of it) or empty (no words)';
COMMENT ON COLUMN clip_description.raw_text IS 'The answer as the model gave it';
COMMENT ON COLUMN clip_description.finish_reason IS 'stop or length';
COMMENT ON COLUMN clip_description.seconds IS 'Length of the clip, by its packets';
COMMENT ON COLUMN clip_description.width IS 'Pixels of its frames, upright';
COMMENT ON COLUMN clip_description.height IS 'Pixels of its frames, upright';
COMMENT ON COLUMN clip_description.frame_times IS 'Seconds from the first frame at which the frames are shown that the model was given';
COMMENT ON COLUMN clip_description.prompt_tokens IS 'Tokens of the prompt, those of the frames included';
COMMENT ON COLUMN clip_description.output_tokens IS 'Tokens of the answer';
COMMENT ON COLUMN clip_description.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN clip_description.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN clip_description.computed_at IS 'When the row was computed, UTC';
