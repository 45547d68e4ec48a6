-- How a ranker orders the candidates of a prompt: one row per prompt, ranker and artwork.
CREATE TABLE ranking (
    prompt_id VARCHAR NOT NULL CHECK (length(prompt_id) = 32),
    model_key VARCHAR NOT NULL CHECK (model_key <> ''),
    artwork_id VARCHAR NOT NULL CHECK (artwork_id <> ''),
    score DOUBLE NOT NULL CHECK (isfinite(score)),
    probability DOUBLE NOT NULL CHECK (probability BETWEEN 0 AND 1),
    rank INTEGER NOT NULL CHECK (rank >= 1),
    propensity DOUBLE NOT NULL CHECK (propensity BETWEEN 0 AND 1),
    letter_share DOUBLE CHECK (letter_share BETWEEN 0 AND 1),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_id, model_key, artwork_id)
);
COMMENT ON COLUMN ranking.prompt_id IS 'Joins prompt';
COMMENT ON COLUMN ranking.model_key IS 'The ranker; joins model, whose fingerprint spells it out';
COMMENT ON COLUMN ranking.artwork_id IS 'Candidate of the prompt';
COMMENT ON COLUMN ranking.score IS 'What it is ordered by, in the ranker''s own unit: of an LLM the log-probability of the letter';
COMMENT ON COLUMN ranking.probability IS 'How likely the ranker holds it to be the best of the candidates; 1 in sum over a prompt';
COMMENT ON COLUMN ranking.rank IS 'Place among the candidates, from 1; equal scores are ordered by a hash of prompt and artwork';
COMMENT ON COLUMN ranking.propensity IS 'Probability with which this ranker, used as a policy, shows it: 1 for rank 1 where nothing is explored; 1 in sum over a prompt';
COMMENT ON COLUMN ranking.letter_share IS 'Share of all probability that the LLM gave to the letters of the candidates; NULL where the ranker knows no letters';
COMMENT ON COLUMN ranking.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN ranking.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN ranking.computed_at IS 'When the row was computed, UTC';
