-- Which artwork to show: one row per member and title and night, for a key-value store to load. The newest counts.
CREATE TABLE choice (
    member_id VARCHAR NOT NULL CHECK (member_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    artwork_id VARCHAR NOT NULL CHECK (artwork_id <> ''),
    runner_up VARCHAR NOT NULL CHECK (runner_up <> artwork_id),
    margin DOUBLE NOT NULL CHECK (margin BETWEEN -1 AND 1),
    propensity DOUBLE NOT NULL CHECK (propensity > 0 AND propensity <= 1),
    artwork_ids VARCHAR[] CHECK (len(artwork_ids) >= 2),
    propensities DOUBLE[] CHECK (len(propensities) = len(artwork_ids)),
    model_key VARCHAR NOT NULL CHECK (model_key <> ''),
    prompt_id VARCHAR NOT NULL CHECK (length(prompt_id) = 32),
    valid_from TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_id, model_key)
);
COMMENT ON COLUMN choice.member_id IS 'Member, as in prompt; the first hex digit of its MD5 is the folder of the part, or all where a night has few rows; sorted by member and title';
COMMENT ON COLUMN choice.title_id IS 'Title';
COMMENT ON COLUMN choice.artwork_id IS 'Artwork to show: the best, or where the policy explores the one drawn by the seed and the prompt';
COMMENT ON COLUMN choice.runner_up IS 'The best of the others, for where the artwork cannot be shown';
COMMENT ON COLUMN choice.margin IS 'Probability of the artwork less that of the runner-up, as in ranking; below 0 where another than the best was drawn';
COMMENT ON COLUMN choice.propensity IS 'Probability with which it was chosen, to be logged with what is shown';
COMMENT ON COLUMN choice.artwork_ids IS 'All candidates by rank, where the policy explores; else NULL';
COMMENT ON COLUMN choice.propensities IS 'The same of each of artwork_ids';
COMMENT ON COLUMN choice.model_key IS 'The ranker that chose; joins model and ranking';
COMMENT ON COLUMN choice.prompt_id IS 'The nightly prompt it follows from; joins prompt and ranking';
COMMENT ON COLUMN choice.valid_from IS 'The moment that prompt was asked for: of several rows of a member and title the last one counts';
COMMENT ON COLUMN choice.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN choice.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN choice.computed_at IS 'When the row was computed, UTC';
