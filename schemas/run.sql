-- One row when a run starts, and one that supersedes it when it ends, whatever its outcome: a run that was killed has only
-- the first.
CREATE TABLE run (
    run_id VARCHAR NOT NULL,
    job VARCHAR NOT NULL,
    settings VARCHAR NOT NULL CHECK (json_valid(settings)),
    code_version VARCHAR NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    seconds DOUBLE NOT NULL CHECK (seconds >= 0),
    outcome VARCHAR NOT NULL CHECK (outcome IN ('started', 'done', 'failed', 'refused', 'interrupted')),
    message VARCHAR NOT NULL,
    counts VARCHAR NOT NULL CHECK (json_valid(counts)),
    PRIMARY KEY (run_id, started_at, outcome)
);
COMMENT ON COLUMN run.run_id IS 'Id of the run; feature rows carry it';
COMMENT ON COLUMN run.job IS 'featurize, prompts, posttrain, rank, evaluate, or nightly: these in one run';
COMMENT ON COLUMN run.settings IS 'JSON of the resolved settings';
COMMENT ON COLUMN run.code_version IS 'Version of this project';
COMMENT ON COLUMN run.started_at IS 'UTC';
COMMENT ON COLUMN run.seconds IS 'Wall-clock seconds; 0 in a row that says started';
COMMENT ON COLUMN run.outcome IS 'started, and later done, failed (exit code 1), refused (2) or interrupted';
COMMENT ON COLUMN run.message IS 'Empty, or the sentence the run failed with; of one that is done, what it left for the next one';
COMMENT ON COLUMN run.counts IS 'JSON: found, new, done, quarantined by reason, per phase; of a night by its parts';
