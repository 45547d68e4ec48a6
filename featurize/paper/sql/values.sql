-- What the newest evaluation says of every policy on all held-out prompts, by every estimator, beside the truth.
SELECT policy, model_key, estimator, main, rounds, members, effective_rounds, value, low, high, lift, lift_low, lift_high,
    true_value, true_lift, warnings
FROM latest_policy_value
WHERE slice = 'all'
ORDER BY estimator, true_value DESC, policy
