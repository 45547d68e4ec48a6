"""Linear bandits: the numbers of a kept library, and choices that are right where the truth is known."""

import numpy as np
import pytest
from coba.learners import LinTSLearner, LinUCBLearner

from featurize.inference import linear_bandit

DICE = np.random.default_rng(0)
WEIGHTS = DICE.normal(size=6)
LOG = DICE.normal(size=(400, 6))
REWARDS = LOG @ WEIGHTS + DICE.normal(size=400)
CANDIDATES = DICE.normal(size=(5, 6))


def fitted(log, rewards):
    """In blocks of 150 rows."""
    blocks = range(0, len(log), 150)
    return linear_bandit.sums(((log[at : at + 150], rewards[at : at + 150]) for at in blocks), 6).posterior()


def test_the_weights_are_those_that_a_bandit_of_coba_learns_row_by_row():
    learner = LinUCBLearner(alpha=0.5, features=["a"])
    for row, reward in zip(LOG, REWARDS, strict=True):
        learner.learn(None, list(row), reward, 1.0)
    found = fitted(LOG, REWARDS)
    np.testing.assert_allclose(found.mean, learner._theta, atol=1e-9)
    np.testing.assert_allclose(found.covariance, learner._A_inv, atol=1e-9)
    for alpha in (0.0, 0.5, 40.0):
        learner._alpha = alpha
        for some in DICE.normal(size=(50, 5, 6)):
            theirs = learner._pmf(None, [list(row) for row in some])
            assert int(np.argmax(theirs)) == int(found.upper(some, alpha).argmax())


def test_thompson_sampling_chooses_as_often_as_coba_does():
    """Both draw at random; so shares of 4,000 draws agree within 4 standard errors."""
    learner = LinTSLearner(v=9.0, features=["a"])
    for row, reward in zip(LOG[:20], REWARDS[:20], strict=True):
        learner.learn(None, list(row), reward, 1.0)
    found = fitted(LOG[:20], REWARDS[:20])
    theirs = np.mean([learner._pmf(None, [list(row) for row in CANDIDATES]) for _ in range(4_000)], axis=0)
    ours = found.wins(CANDIDATES, 3.0, 20_000, np.random.default_rng(1))
    assert ours.sum() == pytest.approx(1)
    assert 0.02 < ours.max() < 0.98
    np.testing.assert_allclose(ours, theirs, atol=4 * np.sqrt(0.25 / 4_000))


def test_the_unsure_is_preferred_and_with_more_of_the_log_that_fades():
    few, many = fitted(LOG[:5], REWARDS[:5]), fitted(LOG, REWARDS)
    for found in (few, many):
        assert (found.upper(CANDIDATES, 1.0) > found.expected(CANDIDATES)).all()
    unsure = [(found.upper(CANDIDATES, 1.0) - found.expected(CANDIDATES)).mean() for found in (few, many)]
    assert unsure[1] < unsure[0] / 4


def test_candidates_alike_are_chosen_alike():
    twice = np.repeat(CANDIDATES[:1], 2, axis=0)
    found = fitted(LOG, REWARDS).wins(twice, 1.0, 500, np.random.default_rng(0))
    np.testing.assert_allclose(found, [0.5, 0.5])


def test_the_order_of_the_log_does_not_matter():
    order = DICE.permutation(400)
    one, other = fitted(LOG, REWARDS), fitted(LOG[order], REWARDS[order])
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-12)
