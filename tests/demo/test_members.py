"""Members: histories that tell tastes, and a log whose propensities and rewards are what they claim to be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from featurize.demo.impressions import log
from featurize.demo.members import LOGGED_FROM, THEME_NAMES, history_batch, tastes_of
from featurize.demo.titles import titles

MEMBERS = 400


@dataclass
class Log:
    """A log of 40,000 impressions, with what the truth says of it."""

    rows: list[dict[str, object]]
    truth: dict[str, dict[str, float]]
    history: pa.Table
    plays_after: pa.Table

    @property
    def reward(self) -> np.ndarray:
        return np.array([row["reward"] for row in self.rows])

    @property
    def propensity(self) -> np.ndarray:
        return np.array([row["propensity"] for row in self.rows])

    @property
    def expected(self) -> np.ndarray:
        return np.array([self.truth[str(row["impression_id"])][str(row["artwork_id"])] for row in self.rows])

    def value(self, choose: str) -> float:
        """True value of showing, in each impression, the mean or the max of its candidates."""
        pick = {"uniform": np.mean, "oracle": np.max}[choose]
        return float(np.mean([pick(list(self.truth[str(row["impression_id"])].values())) for row in self.rows]))


@pytest.fixture(scope="module")
def logged() -> Log:
    catalogue = list(titles(30, 0))
    history, seen = history_batch(0, MEMBERS, 40, catalogue, 0)
    impressions, rewards, plays_after = log(40_000, seen, catalogue, 0)
    truth: dict[str, dict[str, float]] = {}
    for row in rewards.to_pylist():
        truth.setdefault(row["impression_id"], {})[row["artwork_id"]] = row["expected_reward"]
    return Log(impressions.to_pylist(), truth, history, plays_after)


def close(sample: np.ndarray, value: float) -> bool:
    """Whether the mean of a sample lies within four standard errors of a value."""
    return bool(abs(sample.mean() - value) < 4 * sample.std() / len(sample) ** 0.5)


def test_one_seed_gives_one_log() -> None:
    catalogue = list(titles(8, 5))
    history, seen = history_batch(0, 40, 20, catalogue, 5)
    tables = [history, *log(200, seen, catalogue, 5)]
    text = json.dumps([table.to_pylist() for table in tables], default=str)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "cf8acf46ae6b196a"
    assert text != json.dumps([table.to_pylist() for table in log(200, seen, catalogue, 6)], default=str)


def test_candidates_are_the_artworks_of_the_title(logged: Log) -> None:
    own = {title.title_id: [artwork.artwork_id for artwork in title.artworks] for title in titles(30, 0)}
    for row in logged.rows:
        assert row["candidates"] == own[str(row["title_id"])]
        assert list(logged.truth[str(row["impression_id"])]) == row["candidates"]
        assert row["artwork_id"] in row["candidates"]


@pytest.mark.slow
def test_shown_as_often_as_the_propensity_says() -> None:
    """Chi-squared within each member and title: there the policy never changes, so the log alone gives its numbers."""
    catalogue = list(titles(4, 0))
    _, seen = history_batch(0, 6, 40, catalogue, 0)
    cells: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in log(30_000, seen, catalogue, 0)[0].to_pylist():
        arms = cells.setdefault((row["member_id"], row["title_id"]), {})
        arms.setdefault(row["artwork_id"], []).append(row["propensity"])
    distance = freedom = 0.0
    for arms in cells.values():
        assert all(len(set(given)) == 1 for given in arms.values())
        chance = {artwork: given[0] for artwork, given in arms.items()}
        assert sum(chance.values()) == pytest.approx(1)
        count = sum(map(len, arms.values()))
        distance += sum((len(arms[artwork]) - count * p) ** 2 / (count * p) for artwork, p in chance.items())
        freedom += len(chance) - 1
    assert len(cells) == 6 * 4
    assert abs(distance - freedom) < 4 * (2 * freedom) ** 0.5


def test_propensities_are_exact_and_explore(logged: Log) -> None:
    assert logged.propensity.min() >= 0.2 / 8
    assert logged.propensity.max() <= 1
    # The mean of 1/p over what was shown is the mean number of candidates.
    assert close(1 / logged.propensity, float(np.mean([len(truth) for truth in logged.truth.values()])))


def test_rewards_follow_the_true_expectation(logged: Log) -> None:
    assert set(logged.reward) == {0.0, 1.0}
    assert close(logged.reward - logged.expected, 0.0)
    order = np.argsort(logged.expected)
    for tenth in np.array_split(order, 10):
        assert close(logged.reward[tenth] - logged.expected[tenth], 0.0)


@pytest.mark.parametrize("policy", ["uniform", "oracle"])
def test_the_log_values_other_policies_rightly(logged: Log, policy: str) -> None:
    """Inverse propensity scores, from the log alone, agree with the truth."""
    weights = []
    for row, p in zip(logged.rows, logged.propensity, strict=True):
        truth = logged.truth[str(row["impression_id"])]
        best = max(truth, key=lambda artwork: truth[artwork])
        target = 1 / len(truth) if policy == "uniform" else float(row["artwork_id"] == best)
        weights.append(target / p)
    assert close(np.array(weights) * logged.reward, logged.value(policy))


def test_there_is_something_to_win(logged: Log) -> None:
    production = float(logged.expected.mean())
    assert production > 1.1 * logged.value("uniform")
    assert logged.value("oracle") > 1.1 * production
    # And it takes knowing the member: the best single artwork of each title falls well short.
    by_title: dict[object, list[dict[str, float]]] = {}
    for row in logged.rows:
        by_title.setdefault(row["title_id"], []).append(logged.truth[str(row["impression_id"])])
    best_single = sum(
        max(sum(truth[artwork] for truth in group) for artwork in group[0]) for group in by_title.values()
    ) / len(logged.rows)
    assert logged.value("oracle") > 1.15 * best_single


def test_minutes_go_with_the_reward(logged: Log) -> None:
    minutes = np.array([row["minutes"] for row in logged.rows])
    assert minutes[logged.reward == 1].min() >= 20
    assert minutes[logged.reward == 0].max() < 20
    assert (minutes == 0).any()


def test_plays_of_impressions_enter_the_history_only_afterwards(logged: Log) -> None:
    played = [row for row in logged.rows if float(str(row["minutes"])) > 0]
    after = logged.plays_after.to_pylist()
    assert len(after) == len(played)
    for row, play in zip(played, after, strict=True):
        assert (play["member_id"], play["title_id"], play["minutes"]) == (
            row["member_id"],
            row["title_id"],
            row["minutes"],
        )
        assert play["at"] > row["at"]


def test_history_has_its_key_and_some_members_have_none(logged: Log) -> None:
    history = pa.concat_tables([logged.history, logged.plays_after])
    key = ["member_id", "title_id", "event", "at"]
    assert history.group_by(key).aggregate([]).num_rows == history.num_rows
    assert set(history["event"].to_pylist()) == {"play", "thumbs_up", "thumbs_down", "list_add"}
    assert pc.all(pc.equal(pc.is_valid(history["minutes"]), pc.equal(history["event"], "play"))).as_py()
    assert 0 < MEMBERS - len(logged.history["member_id"].unique()) < MEMBERS // 10


def test_history_tells_tastes() -> None:
    catalogue = list(titles(60, 0))
    _, seen = history_batch(0, MEMBERS, 60, catalogue, 0)
    plays = seen.themes
    watched = plays.sum(axis=1) > 50
    share = (plays / np.maximum(plays.sum(axis=1, keepdims=True), 1))[watched]
    liked = tastes_of(0, MEMBERS, 0).themes[watched]
    correlations = [np.corrcoef(share[:, theme], liked[:, theme])[0, 1] for theme in range(len(THEME_NAMES))]
    assert min(correlations) > 0.5


def test_impressions_come_after_the_first_months_of_history(logged: Log) -> None:
    first = min(row["at"] for row in logged.rows)  # type: ignore[type-var]
    assert first.timestamp() * 1e6 >= LOGGED_FROM  # type: ignore[attr-defined]
    assert [row["at"] for row in logged.rows] == sorted(row["at"] for row in logged.rows)  # type: ignore[type-var]
