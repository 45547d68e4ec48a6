"""The estimators on logs worked out by hand, in closed forms, and next to another implementation."""

import numpy as np
import pytest
from estimators.bandits import ips as other_ips
from estimators.bandits import snips as other_snips
from logs import simulate

from featurize.ope import estimators, reward_model
from featurize.ope.estimators import ESTIMATORS, Rounds
from featurize.ope.intervals import Resampling

REWARD = np.array([1.0, 0.0, 1.0, 0.5])
PROPENSITY = np.array([0.5, 0.25, 0.2, 1.0])
SHOWN = np.array([1.0, 0.0, 0.4, 0.5])
WEIGHT = np.array([2.0, 0.0, 2.0, 0.5])
BY_ROUND = {
    "ips": lambda x: estimators.ips(x.weight, x.reward),
    "snips": lambda x: estimators.snips(x.weight, x.reward),
    "dr": lambda x: estimators.dr(x.weight, x.reward, x.q_shown, x.q_policy),
    "beta_ips": lambda x: estimators.beta_ips(x.weight, x.reward),
    "replay": lambda x: estimators.replay(x.shown, x.reward),
}


def test_a_log_of_four_rounds_worked_out_by_hand():
    weight = estimators.weights(SHOWN, PROPENSITY)
    assert weight == pytest.approx(WEIGHT)
    assert estimators.ips(weight, REWARD) == pytest.approx([2, 0, 2, 0.25])
    assert estimators.ips(weight, REWARD).mean() == pytest.approx(4.25 / 4)
    assert estimators.clipped_ips(weight, REWARD, 1.5).mean() == pytest.approx((1.5 + 0 + 1.5 + 0.25) / 4)
    assert estimators.snips(weight, REWARD).mean() == pytest.approx(4.25 / 4.5)
    # what the model expects, and the weighted rest: .3 + 2 (1 - .2), .1, .4 + 2 (1 - .5), .2 + .5 (.5 - .2)
    values = estimators.dr(weight, REWARD, np.array([0.2, 0.3, 0.5, 0.2]), np.array([0.3, 0.1, 0.4, 0.2]))
    assert values == pytest.approx([1.9, 0.1, 1.4, 0.35])
    # cov(w r, w) / var(w) = (8.125 / 4 - 4.25 * 4.5 / 16) / (8.25 / 4 - (4.5 / 4)²)
    beta = (8.125 / 4 - 4.25 * 4.5 / 16) / (8.25 / 4 - (4.5 / 4) ** 2)
    assert estimators.best_baseline(weight, REWARD) == pytest.approx(beta)
    assert estimators.beta_ips(weight, REWARD).mean() == pytest.approx(4.25 / 4 - beta * (4.5 / 4 - 1))
    assert estimators.replay(SHOWN, REWARD).mean() == pytest.approx((1 + 0.4 + 0.25) / 1.9)
    assert estimators.effective_sample_size(weight) == pytest.approx(4.5**2 / 8.25)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_values_of_rounds_and_the_function_of_means_are_the_same_estimator(name):
    for seed in range(5):
        rounds = simulate(seed, 60).rounds
        estimator = ESTIMATORS[name]
        columns = estimator.columns(rounds)
        assert columns.shape == (len(rounds.reward), estimator.width)
        by_means = float(estimator.value(columns.mean(axis=0)))
        assert by_means == pytest.approx(BY_ROUND[name](rounds).mean())
        assert float(estimator.value(columns.sum(axis=0) / 7)) == pytest.approx(by_means)  # means of clusters differ so


@pytest.mark.parametrize("name", ESTIMATORS)
def test_slopes_are_gradients(name):
    rounds = simulate(1, 60).rounds
    estimator = ESTIMATORS[name]
    means = estimator.columns(rounds).mean(axis=0)
    # Of beta_ips the slope holds beta fixed; where weights average to one that is the whole gradient.
    if name == "beta_ips":
        means[1] = means[4]
    steps = 1e-6 * np.eye(estimator.width)
    by_steps = [(estimator.value(means + step) - estimator.value(means - step)) / 2e-6 for step in steps]
    assert estimator.slope(means) == pytest.approx(np.array(by_steps), abs=1e-5)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "replay"])
def test_the_logging_policy_itself_is_worth_the_mean_reward(name):
    """Weights of one everywhere."""
    rng = np.random.default_rng(0)
    reward, propensity, q = rng.random(50), rng.uniform(0.1, 1, 50), rng.random(50)
    assert BY_ROUND[name](Rounds(reward, propensity, propensity, q, q)).mean() == pytest.approx(reward.mean())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_propensity_of_one_gives_the_mean(name):
    reward = np.random.default_rng(0).random(50)
    one = np.ones(50)
    assert BY_ROUND[name](Rounds(reward, one, one, one / 3, one / 3)).mean() == pytest.approx(reward.mean())


def test_replay_is_snips_of_a_deterministic_policy_on_a_uniform_log():
    log = simulate(3, 200, uniform=True)
    assert estimators.replay(log.rounds.shown, log.rounds.reward).mean() == pytest.approx(
        estimators.snips(log.rounds.weight, log.rounds.reward).mean()
    )


def test_dr_of_a_right_model_has_no_error_from_weights_and_of_a_useless_one_is_ips():
    log = simulate(4, 200)
    weight, reward = log.rounds.weight, log.rounds.reward
    nothing = np.zeros(len(reward))
    assert estimators.dr(weight, reward, nothing, nothing) == pytest.approx(estimators.ips(weight, reward))
    q = np.random.default_rng(0).random(len(reward))
    assert estimators.dr(weight, q, q, q) == pytest.approx(q)


def test_the_baseline_is_the_one_of_least_variance():
    log = simulate(5, 300)
    weight, reward = log.rounds.weight, log.rounds.reward
    best = estimators.best_baseline(weight, reward)
    spread = {beta: np.var(weight * reward - beta * (weight - 1)) for beta in (best - 0.05, best, best + 0.05)}
    assert min(spread, key=spread.__getitem__) == best
    assert estimators.best_baseline(np.ones(4), REWARD) == 0


def test_where_policy_and_log_never_agree_nothing_is_known():
    nothing = np.zeros(4)
    rounds = Rounds(REWARD, PROPENSITY, nothing, nothing, nothing)
    assert np.isnan(estimators.snips(rounds.weight, REWARD)).all()
    assert np.isnan(estimators.replay(rounds.shown, REWARD)).all()
    assert np.isnan(ESTIMATORS["snips"].value(ESTIMATORS["snips"].columns(rounds).mean(axis=0)))
    assert estimators.effective_sample_size(rounds.weight) == 0


def test_one_member_tells_nothing_of_others():
    """The estimate is there, and no interval: one of no width would be a certain win."""
    rounds = Rounds(*(np.tile(each, 10) for each in (REWARD, PROPENSITY, SHOWN, SHOWN, SHOWN)))
    asked = [(ESTIMATORS["snips"].columns(rounds), [ESTIMATORS["snips"]])]
    ((alone,),) = Resampling(np.zeros(40), 100, seed=0).intervals(asked, 0.95)
    assert alone.value == pytest.approx(float(np.mean(estimators.snips(rounds.weight, rounds.reward))))
    assert np.isnan([alone.error, alone.low, alone.high]).all()
    ((several,),) = Resampling(np.arange(40), 100, seed=0).intervals(asked, 0.95)
    assert several.low < several.value < several.high


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.1, np.nan, np.inf])
def test_a_propensity_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="propensity"):
        estimators.weights(np.array([0.5]), np.array([bad]))
    with pytest.raises(ValueError, match="probability"):
        estimators.weights(np.array([-0.1 if bad != bad else bad + 2]), np.array([0.5]))


@pytest.mark.parametrize("seed", range(3))
def test_vw_estimators_say_the_same_of_ips_and_snips(seed):
    rounds = simulate(seed, 100).rounds
    for ours, theirs in ((estimators.ips, other_ips.Estimator()), (estimators.snips, other_snips.Estimator())):
        for p_log, reward, p_pred in zip(rounds.propensity, rounds.reward, rounds.shown, strict=True):
            theirs.add_example(p_log, reward, p_pred)
        assert ours(rounds.weight, rounds.reward).mean() == pytest.approx(theirs.get())


def test_the_reward_model_is_fitted_on_other_members_than_it_is_used_on():
    rng = np.random.default_rng(0)
    member = np.repeat(np.arange(40), 5)
    fold = reward_model.folds(member, 0)
    assert all(len(set(fold[member == each])) == 1 for each in range(40))
    assert set(fold) == set(range(reward_model.FOLDS))
    x, y = rng.normal(size=(200, 3)), rng.random(200)
    before = reward_model.cross_fit(x, y, fold, x[:, None], fold)
    # Whatever one member's rewards are, nothing that is expected of that member's fold changes; of the others it does.
    mine = fold == fold[0]
    changed = np.where(member == member[0], 1 - y, y)
    after = reward_model.cross_fit(x, changed, fold, x[:, None], fold)
    assert after[mine] == pytest.approx(before[mine], abs=1e-12)
    assert not np.allclose(after[~mine], before[~mine])


def test_the_reward_model_finds_what_there_is_and_stays_within_0_and_1():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4000, 4))
    right = np.clip(0.5 + 0.1 * x[:, 0] - 0.1 * x[:, 2], 0, 1)
    fold = rng.integers(0, 5, 4000)
    found = reward_model.cross_fit(x, (rng.random(4000) < right).astype(float), fold, x[:, None], fold)[:, 0]
    assert np.abs(found - right).mean() < 0.03
    assert found.min() >= 0
    assert found.max() <= 1
    few = reward_model.cross_fit(x[:6], np.array([1.0, 0, 0, 1, 1, 0]), np.arange(6) % 2, x[:6, None], np.arange(6) % 2)
    assert few[:, 0] == pytest.approx([1 / 3, 2 / 3] * 3)
