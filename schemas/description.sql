-- What a vision-language model says about a picture: one row per picture and model, also when the answer is not valid. Only
-- a picture whose answer was not valid may get a later row (describe.retry_failed); view `described` has the best of each.
CREATE TABLE description (
    image_sha256 VARCHAR NOT NULL CHECK (length(image_sha256) = 64),
    model_key VARCHAR NOT NULL,
    caption VARCHAR,
    subjects VARCHAR[],
    people_count INTEGER CHECK (people_count >= 0),
    mood VARCHAR,
    setting VARCHAR,
    composition VARCHAR,
    text_on_artwork VARCHAR,
    palette VARCHAR[],
    raw_text VARCHAR NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'invalid_json', 'invalid_fields', 'truncated')),
    finish_reason VARCHAR NOT NULL,
    prompt_tokens INTEGER NOT NULL CHECK (prompt_tokens >= 0),
    output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (image_sha256, model_key, computed_at)
);
COMMENT ON COLUMN description.image_sha256 IS 'SHA-256 of the file; joins artwork';
COMMENT ON COLUMN description.model_key IS 'Model that wrote it; joins model';
COMMENT ON COLUMN description.caption IS 'One sentence; NULL where the answer has none';
COMMENT ON COLUMN description.subjects IS 'What is shown';
COMMENT ON COLUMN description.people_count IS 'Number of people';
COMMENT ON COLUMN description.mood IS 'Mood in a word or two';
COMMENT ON COLUMN description.setting IS 'Where it is';
COMMENT ON COLUMN description.composition IS 'How it is framed';
COMMENT ON COLUMN description.text_on_artwork IS 'Words that can be read on the picture';
COMMENT ON COLUMN description.palette IS 'Main colours';
COMMENT ON COLUMN description.raw_text IS 'The answer as the model gave it';
COMMENT ON COLUMN description.status IS 'ok, invalid_json (no JSON object), invalid_fields (some fields unusable) or truncated (token limit)';
COMMENT ON COLUMN description.finish_reason IS 'stop or length';
COMMENT ON COLUMN description.prompt_tokens IS 'Tokens of the prompt, the picture''s included';
COMMENT ON COLUMN description.output_tokens IS 'Tokens of the answer';
COMMENT ON COLUMN description.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN description.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN description.computed_at IS 'When the row was computed, UTC';
