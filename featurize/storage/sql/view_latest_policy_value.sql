CREATE OR REPLACE VIEW latest_policy_value AS
WITH latest AS (
    SELECT * FROM policy_value
    WHERE evaluation_id = (SELECT arg_max(evaluation_id, (computed_at, evaluation_id)) FROM policy_value)
)
-- No EXCLUDE: DuckDB writes its names down in another order each time, so the same view would not look the same.
SELECT
    l.policy, l.model_key, l.estimator, l.slice, l.part, l.rounds, l.members, l.effective_rounds, l.mean_weight,
    l.value, l.low, l.high, l.baseline, l.lift, l.lift_low, l.lift_high, l.lift_low_of_all, l.lift_high_of_all,
    l.main, l.confidence, l.recipe_key, l.warnings, l.computed_at,
    true_one.value AS true_value, true_one.lift AS true_lift
FROM latest l
LEFT JOIN latest true_one ON true_one.estimator = 'truth' AND true_one.policy = l.policy
    AND true_one.slice = l.slice AND true_one.part = l.part
WHERE l.estimator <> 'truth'
ORDER BY l.slice <> 'all', l.slice, l.part, l.estimator, l.value DESC;
COMMENT ON VIEW latest_policy_value IS 'What the newest evaluation says each policy is worth. true_value and true_lift are known in the demo world only, to its simulator';
