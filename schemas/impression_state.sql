-- The impressions that have a prompt, as the log told of them. View impression shows the newest row of each, with its
-- newest label; what came of it is in table label.
CREATE TABLE impression_state (
    impression_id VARCHAR NOT NULL CHECK (impression_id <> ''),
    member_id VARCHAR NOT NULL CHECK (member_id <> ''),
    member_key VARCHAR,
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    artwork_id VARCHAR NOT NULL CHECK (artwork_id <> ''),
    candidates VARCHAR[] NOT NULL,
    propensity DOUBLE NOT NULL CHECK (propensity > 0 AND propensity <= 1),
    propensities DOUBLE[] CHECK (len(propensities) = len(candidates)),
    "at" TIMESTAMPTZ NOT NULL,
    policy VARCHAR,
    device VARCHAR,
    country VARCHAR,
    language VARCHAR,
    time_zone VARCHAR,
    max_maturity INTEGER,
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (impression_id, member_id, computed_at)
);
COMMENT ON COLUMN impression_state.impression_id IS 'Unique id of the log';
COMMENT ON COLUMN impression_state.member_id IS 'Who saw it; a keyed hash where prompts.member_key_env was set';
COMMENT ON COLUMN impression_state.member_key IS 'Which key made the hash; empty where the id is as it came, NULL in rows of older versions';
COMMENT ON COLUMN impression_state.title_id IS 'Title it was shown for';
COMMENT ON COLUMN impression_state.artwork_id IS 'Artwork that was shown';
COMMENT ON COLUMN impression_state.candidates IS 'Artworks the policy chose from, each once, by name';
COMMENT ON COLUMN impression_state.propensity IS 'Probability with which the policy chose the shown one';
COMMENT ON COLUMN impression_state.propensities IS 'The same of every candidate, in their order; NULL where no log said so, and in rows of older versions';
COMMENT ON COLUMN impression_state."at" IS 'When it was shown, UTC';
COMMENT ON COLUMN impression_state.policy IS 'Name of the policy; NULL where none was given';
COMMENT ON COLUMN impression_state.device IS 'What it was shown on; NULL where no log said so, and in rows of older versions';
COMMENT ON COLUMN impression_state.country IS 'Where; NULL as for device';
COMMENT ON COLUMN impression_state.language IS 'Language the member reads; NULL as for device';
COMMENT ON COLUMN impression_state.time_zone IS 'The member''s; NULL as for device, and where the name given is unknown';
COMMENT ON COLUMN impression_state.max_maturity IS 'An artwork with a higher maturity was not to be shown; NULL where there was no limit, and in rows of older versions';
COMMENT ON COLUMN impression_state.run_id IS 'Run that read it';
COMMENT ON COLUMN impression_state.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN impression_state.computed_at IS 'When it was read, UTC';
