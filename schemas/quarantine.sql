-- What could not be processed, and why: one row per attempt.
CREATE TABLE quarantine (
    image_sha256 VARCHAR NOT NULL CHECK (length(image_sha256) IN (0, 64)),
    uri VARCHAR NOT NULL CHECK (uri <> ''),
    stage VARCHAR NOT NULL CHECK (stage IN ('read', 'decode', 'model')),
    model_key VARCHAR NOT NULL,
    reason VARCHAR NOT NULL CHECK (reason IN (
        'not_found', 'unreadable', 'forbidden', 'web_page', 'changed', 'empty', 'not_an_image', 'unsupported', 'truncated', 'too_many_pixels',
        'too_many_bytes', 'decode_error', 'timeout', 'worker_crashed', 'model_error',
        'not_a_clip', 'no_video_stream', 'too_long')),
    detail VARCHAR NOT NULL,
    retryable BOOLEAN NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 1),
    artwork_ids VARCHAR[],
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (image_sha256, uri, stage, model_key, attempts)
);
COMMENT ON COLUMN quarantine.image_sha256 IS 'SHA-256 of the file, a picture or a clip; empty where its bytes could not be read, and of a prompt';
COMMENT ON COLUMN quarantine.uri IS 'A file with that content; of a prompt that could not be ranked, prompt:<prompt_id>';
COMMENT ON COLUMN quarantine.stage IS 'read (storage), decode (bytes to pixels, frames or sound) or model';
COMMENT ON COLUMN quarantine.model_key IS 'Model that failed; of read and decode, the decoder, which no model can do without';
COMMENT ON COLUMN quarantine.reason IS 'Reason code';
COMMENT ON COLUMN quarantine.detail IS 'The same in words';
COMMENT ON COLUMN quarantine.retryable IS 'Whether a later run tries again, up to run.max_attempts';
COMMENT ON COLUMN quarantine.attempts IS 'Which attempt this was, from 1';
COMMENT ON COLUMN quarantine.artwork_ids IS 'Of a file whose bytes could not be read, the artworks that the catalogue had it for; NULL of others, which are found by their content, and in rows of older versions';
COMMENT ON COLUMN quarantine.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN quarantine.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN quarantine.computed_at IS 'When the row was computed, UTC';
