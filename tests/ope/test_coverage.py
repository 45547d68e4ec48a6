"""How often intervals hold what they promise, and how far estimates are from the truth on average: simulated logs."""

import numpy as np
import pytest
from logs import LOGGED, simulate

from featurize.ope import intervals, reward_model
from featurize.ope.estimators import ESTIMATORS, Rounds
from featurize.ope.intervals import Resampling

LOGS = 500
MEMBERS = 150
DRAWS = 400


def covered(name, uniform, logs, members=MEMBERS, *, fitted=False):
    """Shares of logs whose intervals of value and of lift hold the truth; then estimates of the value and the truth.

    `fitted`: with a reward model that is fitted on the log itself, crosswise.
    """
    estimator = ESTIMATORS[name]
    right = simulate(10**6, 50_000, uniform=uniform)
    value, lift = right.value, right.value / right.logged - 1
    found, held = [], []
    for seed in range(logs):
        log = simulate(seed, members, uniform=uniform)
        if fitted:
            log.rounds = with_model(log)
        columns = np.concatenate([estimator.columns(log.rounds), LOGGED.columns(log.rounds)], axis=1)
        asked = [intervals.value(estimator), intervals.lift(estimator, LOGGED)]
        ((one, over),) = Resampling(log.member, DRAWS, seed).intervals([(columns, asked)], 0.95)
        found.append(one.value)
        held.append((one.low <= value <= one.high, over.low <= lift <= over.high))
    return *np.mean(held, axis=0), np.array(found), value


def with_model(log):
    """The rounds with what a model expects that knows the place of each candidate and whether the policy takes it."""
    k = log.policy.shape[1]
    known = np.concatenate([np.broadcast_to(np.eye(k), (*log.policy.shape, k)), log.policy[:, :, None]], axis=2)
    row = np.arange(len(log.member))
    shown = log.shown
    fold = reward_model.folds(log.member, 0)
    expected = reward_model.cross_fit(known[row, shown], log.rounds.reward, fold, known, fold)
    told = {"q_shown": expected[row, shown], "q_policy": (log.policy * expected).sum(axis=1)}
    return Rounds(**(vars(log.rounds) | told))


@pytest.mark.slow
def test_a_model_fitted_on_the_log_itself_makes_no_bias():
    of_value, of_lift, found, truth = covered("dr", False, LOGS, fitted=True)
    assert 0.93 <= of_value <= 0.97
    assert 0.93 <= of_lift <= 0.97
    assert abs(found.mean() - truth) < 3 * found.std() / np.sqrt(len(found))


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_intervals_cover_what_they_say_in_500_logs_and_estimates_have_no_bias(name):
    """About 450 rounds of 150 members, worth 70 or so without weights. Replay on uniform logs, where it is right."""
    of_value, of_lift, found, truth = covered(name, name == "replay", LOGS)
    assert 0.93 <= of_value <= 0.97
    assert 0.93 <= of_lift <= 0.97
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean() - truth) < 3 * error


@pytest.mark.parametrize("name", ESTIMATORS)
def test_intervals_are_about_right_in_fewer_logs(name):
    of_value, of_lift, found, truth = covered(name, name == "replay", 40, members=100)
    assert min(of_value, of_lift) > 0.85
    assert abs(found.mean() - truth) < 3 * found.std() / np.sqrt(len(found))


def test_rounds_of_a_member_are_drawn_together():
    """Every round five times over says nothing new: members know that, rounds would not."""
    log = simulate(1, 200)
    many = Rounds(*(np.repeat(getattr(log.rounds, name), 5) for name in vars(log.rounds)))
    estimator = ESTIMATORS["snips"]

    def width(rounds, clusters):
        drawn = Resampling(clusters, 500, 0)
        ((one,),) = drawn.intervals([(estimator.columns(rounds), [intervals.value(estimator)])], 0.95)
        return one.high - one.low

    by_member = width(log.rounds, log.member)
    assert width(many, np.repeat(log.member, 5)) == pytest.approx(by_member)
    assert width(many, np.arange(len(many.reward))) < 0.6 * by_member


def test_a_paired_difference_is_narrower_than_two_intervals():
    """A policy that seldom differs from the other: most of what varies is common to both."""
    log = simulate(2, 400)
    same = np.random.default_rng(0).random(len(log.member)) < 0.9
    other = Rounds(**(vars(log.rounds) | {"shown": np.where(same, log.rounds.shown, 0.25)}))
    estimator = ESTIMATORS["snips"]
    columns = np.concatenate([estimator.columns(log.rounds), estimator.columns(other)], axis=1)
    drawn = Resampling(log.member, 500, 0)
    ((lift, alone),) = drawn.intervals(
        [(columns, [intervals.lift(estimator, estimator), intervals.value(estimator)])], 0.95
    )
    apart = np.sqrt(2) * (alone.high - alone.low) / alone.value
    assert lift.high - lift.low < 0.7 * apart
    itself = np.concatenate([estimator.columns(log.rounds)] * 2, axis=1)
    ((nothing,),) = drawn.intervals([(itself, [intervals.lift(estimator, estimator)])], 0.95)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_rows_are_a_part_of_the_rounds():
    log = simulate(3, 100)
    estimator = ESTIMATORS["dr"]
    rows = np.flatnonzero(log.member % 3 == 0)
    some = Rounds(*(getattr(log.rounds, name)[rows] for name in vars(log.rounds)))
    asked = [intervals.value(estimator)]
    ((by_rows,),) = Resampling(log.member, 400, 0).intervals([(estimator.columns(log.rounds), asked)], 0.95, rows)
    ((alone,),) = Resampling(log.member[rows], 400, 0).intervals([(estimator.columns(some), asked)], 0.95)
    assert by_rows.value == pytest.approx(alone.value)
    assert by_rows.error == pytest.approx(alone.error, rel=0.05)
    assert by_rows.high - by_rows.low == pytest.approx(alone.high - alone.low, rel=0.25)


@pytest.mark.slow
def test_an_interval_for_all_at_once_holds_for_the_best_of_many():
    """Ten policies, in truth all the same: the best one's own interval misses that often, the common one seldom."""
    own, common = [], []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        member = np.repeat(np.arange(80), 2)
        reward, propensity = (rng.random(160) < 0.3).astype(float), np.full(160, 0.5)
        shown = (rng.random((10, 160)) < 0.5).astype(float)
        estimator = ESTIMATORS["ips"]
        drawn = Resampling(member, 200, seed)
        every = [Rounds(reward, propensity, each, 0 * reward, 0 * reward) for each in shown]
        asked = [(estimator.columns(rounds), [intervals.value(estimator)]) for rounds in every]
        found = [one for (one,) in drawn.intervals(asked, 0.95)]
        best = max(range(10), key=lambda number: found[number].value)
        low, high = intervals.simultaneous(found)[best]
        own.append(found[best].low <= 0.3 <= found[best].high)
        common.append(low <= 0.3 <= high)
    assert np.mean(common) >= 0.92
    assert np.mean(own) < np.mean(common)


def test_where_there_is_too_little_to_tell_there_is_no_interval():
    """Two rounds of weight above 0: many draws have neither."""
    shown = np.zeros(20)
    shown[0] = 1
    shown[1] = 0.1
    rounds = Rounds(shown, np.full(20, 0.5), shown, np.zeros(20), np.zeros(20))
    drawn = Resampling(np.arange(20), 200, 0)
    estimator = ESTIMATORS["snips"]
    ((one,),) = drawn.intervals([(estimator.columns(rounds), [intervals.value(estimator)])], 0.95)
    assert one.value == pytest.approx(1.01 / 1.1)
    assert np.isnan([one.low, one.high]).all()
