-- Which model or recipe is the current one of a table, since when and why. Append-only: of a feature the newest row counts.
CREATE TABLE production (
    feature VARCHAR NOT NULL
        CHECK (feature IN ('image_embedding', 'image_tag', 'description', 'text_embedding', 'logged_prompt',
        'nightly_prompt', 'clip_description', 'transcript', 'sound_description')),
    model_key VARCHAR NOT NULL CHECK (model_key <> ''),
    because VARCHAR NOT NULL CHECK (because IN ('pin', 'coverage')),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (feature, computed_at)
);
COMMENT ON COLUMN production.feature IS 'Table of features; logged_prompt and nightly_prompt for the two kinds of prompts';
COMMENT ON COLUMN production.model_key IS 'Model or recipe; joins model';
COMMENT ON COLUMN production.because IS 'pin: a setting of the run said so; coverage: it had the rows and a finished run';
COMMENT ON COLUMN production.run_id IS 'Run at whose end, or by whose setting, it became current';
COMMENT ON COLUMN production.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN production.computed_at IS 'Since when it is current, UTC';
