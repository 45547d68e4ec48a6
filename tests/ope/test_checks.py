"""What makes figures worthless, as numbers."""

import numpy as np
import pytest
from logs import simulate

from featurize.ope import checks


def test_right_propensities_pass_and_wrong_ones_do_not():
    """Over many logs: right ones are hardly ever doubted, those of another policy nearly always."""
    right, wrong, blind = [], [], []
    for seed in range(150):
        log = simulate(seed, 150)
        weight = log.rounds.weight
        right.append(checks.mean_weight(weight, log.policy, log.propensities, log.member).p_value)
        blind.append(checks.mean_weight(weight, log.policy, None, log.member).p_value)
        k = log.policy.shape[1]
        stated = np.full_like(log.propensities, 1 / k)  # the log says uniform, and was not
        uniform = np.full_like(log.policy, 1 / k)
        best = log.propensities == log.propensities.max(axis=1, keepdims=True)
        shown_best = log.rounds.propensity == log.propensities.max(axis=1)
        wrong.append(checks.mean_weight(shown_best * k, best.astype(float), stated, log.member).p_value)
        assert checks.mean_weight(np.ones(len(weight)), uniform, stated, log.member).z == 0
    assert np.mean(np.array(right) < 0.05) < 0.1
    assert min(right) > 1e-5
    assert np.mean(np.array(blind) < 0.05) < 0.15
    assert np.mean(np.array(wrong) < 1e-5) > 0.95


def test_weights_of_choices_that_cannot_be_made_are_not_expected():
    propensities = np.array([[0.5, 0.5, 0.0]] * 100)
    policy = np.array([[0.25, 0.25, 0.5]] * 100)
    found = checks.mean_weight(np.full(100, 0.5), policy, propensities, np.arange(100))
    assert (found.mean, found.expected, found.z) == (0.5, 0.5, 0)
    assert checks.unsupported(policy, propensities > 0) == 0.5
    # Nothing may vary, and yet it is wrong.
    assert checks.mean_weight(np.full(100, 0.7), policy, propensities, np.arange(100)).p_value == 0


def test_the_largest_share():
    assert checks.largest_share(np.array([1.0, 3.0, 0.0])) == pytest.approx(0.75)
    assert checks.largest_share(np.zeros(3)) == 0
