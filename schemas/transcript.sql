-- What is said in a clip: one row per clip and model, also where nobody speaks; status says why there are no words.
CREATE TABLE transcript (
    clip_sha256 VARCHAR NOT NULL CHECK (length(clip_sha256) = 64),
    model_key VARCHAR NOT NULL,
    text VARCHAR CHECK (text <> ''),
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'no_audio', 'silent', 'no_speech', 'truncated', 'empty')),
    seconds DOUBLE NOT NULL CHECK (seconds >= 0),
    spoken_seconds DOUBLE NOT NULL CHECK (spoken_seconds >= 0),
    begins DOUBLE[] NOT NULL,
    ends DOUBLE[] NOT NULL CHECK (len(ends) = len(begins)),
    texts VARCHAR[] NOT NULL CHECK (len(texts) = len(begins)),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (clip_sha256, model_key)
);
COMMENT ON COLUMN transcript.clip_sha256 IS 'SHA-256 of the file; joins clip';
COMMENT ON COLUMN transcript.model_key IS 'Model that wrote it; joins model';
COMMENT ON COLUMN transcript.text IS 'All that is said; NULL where there are no words';
COMMENT ON COLUMN transcript.status IS 'ok, no_audio (no sound stream), silent (nothing loud enough), no_speech (sound without voices: the model was not asked), truncated (some of it reached the token limit) or empty (it was asked and heard no words)';
COMMENT ON COLUMN transcript.seconds IS 'Length of the clip, by its packets';
COMMENT ON COLUMN transcript.spoken_seconds IS 'How long somebody speaks, by voice activity';
COMMENT ON COLUMN transcript.begins IS 'Seconds at which each stretch begins that the model was given';
COMMENT ON COLUMN transcript.ends IS 'Seconds at which it ends';
COMMENT ON COLUMN transcript.texts IS 'What is said in it';
COMMENT ON COLUMN transcript.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN transcript.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN transcript.computed_at IS 'When the row was computed, UTC';
