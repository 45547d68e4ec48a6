-- What each policy would have earned on the held-out prompts, by each estimator: of all of them and of slices.
CREATE TABLE policy_value (
    evaluation_id VARCHAR NOT NULL CHECK (length(evaluation_id) = 32),
    policy VARCHAR NOT NULL CHECK (policy <> ''),
    model_key VARCHAR,
    estimator VARCHAR NOT NULL CHECK (estimator IN ('ips', 'clipped', 'snips', 'dr', 'beta_ips', 'replay', 'truth')),
    slice VARCHAR NOT NULL CHECK (slice <> ''),
    part VARCHAR NOT NULL CHECK (part <> ''),
    rounds INTEGER NOT NULL CHECK (rounds >= 1),
    members INTEGER NOT NULL CHECK (members >= 1),
    effective_rounds DOUBLE NOT NULL CHECK (effective_rounds >= 0),
    mean_weight DOUBLE NOT NULL CHECK (mean_weight >= 0),
    value DOUBLE CHECK (isfinite(value)),
    low DOUBLE CHECK (isfinite(low)),
    high DOUBLE CHECK (isfinite(high)),
    baseline VARCHAR NOT NULL,
    lift DOUBLE CHECK (isfinite(lift)),
    lift_low DOUBLE CHECK (isfinite(lift_low)),
    lift_high DOUBLE CHECK (isfinite(lift_high)),
    lift_low_of_all DOUBLE CHECK (isfinite(lift_low_of_all)),
    lift_high_of_all DOUBLE CHECK (isfinite(lift_high_of_all)),
    main BOOLEAN NOT NULL,
    confidence DOUBLE NOT NULL CHECK (confidence > 0 AND confidence < 1),
    recipe_key VARCHAR NOT NULL,
    warnings VARCHAR[] NOT NULL,
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (evaluation_id, policy, estimator, slice, part)
);
COMMENT ON COLUMN policy_value.evaluation_id IS 'Follows from the prompts with their labels, the rankings and the settings: the same again is the same evaluation';
COMMENT ON COLUMN policy_value.policy IS 'logged: production as logged; logged_greedy: its likeliest choice; else the short name of a ranker';
COMMENT ON COLUMN policy_value.model_key IS 'The ranker; joins ranking and model. NULL of what was read from the log itself';
COMMENT ON COLUMN policy_value.estimator IS 'ips, clipped, snips, dr, beta_ips or replay; truth is no estimate: what only the simulator of the demo world knows';
COMMENT ON COLUMN policy_value.slice IS 'all, or what the rounds are cut by: member, candidates, title, device, theme';
COMMENT ON COLUMN policy_value.part IS 'Which part of the slice, in words; all of slice all';
COMMENT ON COLUMN policy_value.rounds IS 'Held-out prompts that it is computed from';
COMMENT ON COLUMN policy_value.members IS 'Members they are of; intervals are by members';
COMMENT ON COLUMN policy_value.effective_rounds IS 'Rounds without weights that would say as much: (sum of weights)^2 / sum of squares';
COMMENT ON COLUMN policy_value.mean_weight IS 'Near 1 where the propensities are right and the log could show what the policy does';
COMMENT ON COLUMN policy_value.value IS 'Estimated mean reward; NULL where no weight is above 0';
COMMENT ON COLUMN policy_value.low IS 'Lower end of its interval; NULL where the estimator has none, or there is too little to tell';
COMMENT ON COLUMN policy_value.high IS 'Upper end';
COMMENT ON COLUMN policy_value.baseline IS 'Policy that lift compares with, on the same rounds and by the same estimator';
COMMENT ON COLUMN policy_value.lift IS 'value / that of the baseline - 1; NULL where the latter is 0 or either is unknown';
COMMENT ON COLUMN policy_value.lift_low IS 'Lower end of the paired interval of lift: of a policy that was named before looking';
COMMENT ON COLUMN policy_value.lift_high IS 'Upper end';
COMMENT ON COLUMN policy_value.lift_low_of_all IS 'Lower end of an interval that holds for all policies at once, and so for the one that looks best; NULL in slices';
COMMENT ON COLUMN policy_value.lift_high_of_all IS 'Upper end';
COMMENT ON COLUMN policy_value.main IS 'Whether this is the estimator that was named before looking (evaluate.estimator)';
COMMENT ON COLUMN policy_value.confidence IS 'Confidence of the intervals';
COMMENT ON COLUMN policy_value.recipe_key IS 'Recipe of the prompts';
COMMENT ON COLUMN policy_value.warnings IS 'Why these figures are to be doubted, in words; empty where nothing was found';
COMMENT ON COLUMN policy_value.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN policy_value.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN policy_value.computed_at IS 'When the row was computed, UTC';
