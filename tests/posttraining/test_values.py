"""What candidates would have earned, as method `reward_model` learns it: on logs whose truth is known."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from featurize.errors import RefusedInput
from featurize.inference.ranker import Data
from featurize.posttraining import values
from featurize.storage import tables

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TRUE = {"close-up": 0.7, "wide": 0.3, "still": 0.4}
OFTEN = {"close-up": 0.1, "wide": 0.6, "still": 0.3}


def data(tagged):
    """Three artworks, whose shots are tags if `tagged`, and nothing else that there is to know."""
    db = tables.connect()
    db.execute('CREATE TABLE title (title_id VARCHAR, genres VARCHAR[], "cast" VARCHAR[])')
    db.execute("CREATE TABLE artwork_present (artwork_id VARCHAR, title_id VARCHAR, depicts VARCHAR[])")
    db.execute("CREATE TABLE tag (artwork_id VARCHAR, attribute VARCHAR, label VARCHAR, probability DOUBLE)")
    if tagged:
        db.executemany(
            "INSERT INTO tag VALUES (?, 'shot', ?, ?)",
            [(name, each, float(name == each)) for name in TRUE for each in TRUE],
        )
    db.execute("CREATE TABLE embedding (artwork_id VARCHAR, embedding FLOAT[2])")
    db.execute('CREATE TABLE history (member_id VARCHAR, title_id VARCHAR, event VARCHAR, "at" TIMESTAMPTZ)')
    db.execute('CREATE TABLE impression (member_id VARCHAR, artwork_id VARCHAR, "at" TIMESTAMPTZ, reward DOUBLE)')
    db.execute("CREATE TABLE training (device VARCHAR)")
    return Data(lambda: db)


def log(count, seed=0):
    """Rows as sql/rows_reward_model.sql gives them, of five members more than rows."""
    dice = np.random.default_rng(seed)
    names = list(TRUE)
    rows = []
    for number in range(count):
        order = dice.permutation(names).tolist()
        shown = dice.choice(3, p=[OFTEN[name] for name in order])
        rows.append(
            {
                "member_id": f"m{number % 50}",
                "asked_at": NOON,
                "device": "phone",
                "artwork_ids": order,
                "answer": "ABC"[shown],
                "reward": float(dice.random() < TRUE[order[shown]]),
                "propensity": OFTEN[order[shown]],
            }
        )
    return rows


def by_artwork(rows, found):
    """(3, n): the values of each of TRUE."""
    return np.array(
        [[told[row["artwork_ids"].index(name)] for row, told in zip(rows, found, strict=True)] for name in TRUE]
    )


@pytest.mark.parametrize("tagged", [True, False])
def test_they_are_right_on_average_whether_the_reward_model_is_or_not(tagged):
    rows = log(4000)
    found = by_artwork(rows, values.expected(data(tagged), pa.Table.from_pylist(rows), 100, 0).rewards)
    error = found.mean(axis=1) - list(TRUE.values())
    assert np.all(np.abs(error) < 3 * found.std(axis=1) / 4000**0.5)
    # A good model makes them steadier: what is left is the noise of the rewards themselves.
    steady = by_artwork(rows, values.expected(data(True), pa.Table.from_pylist(rows), 100, 0).rewards)
    assert steady.std(axis=1).max() <= found.std(axis=1).max() + 1e-9


def test_where_the_weight_is_clipped_the_reward_model_is_trusted():
    rows = log(4000)
    table = pa.Table.from_pylist(rows)
    trusted, blind = (by_artwork(rows, values.expected(data(each), table, 1, 0).rewards) for each in (True, False))
    np.testing.assert_allclose(trusted.mean(axis=1), list(TRUE.values()), atol=0.05)
    assert blind.mean(axis=1)[0] < 0.5 < TRUE["close-up"]


def test_their_mean_is_that_of_the_reward_model_however_rare_what_was_shown_is():
    rows = [row | {"propensity": 1e-9} for row in log(300)]
    believed, corrected = (values.expected(data(True), pa.Table.from_pylist(rows), clip, 0) for clip in (0, 50))
    assert corrected.mean == believed.mean == pytest.approx(believed.rewards.mean())
    assert abs(corrected.rewards.mean() - believed.mean) > 0.05


@pytest.mark.parametrize(("tagged", "members", "clip"), [(False, 50, 0), (True, 1, 0), (True, 1, 20)])
def test_a_model_that_tells_nothing_apart_is_refused(tagged, members, clip):
    rows = [row | {"member_id": f"m{number % members}"} for number, row in enumerate(log(200))]
    with pytest.raises(
        RefusedInput, match=f"no candidate from another: it is fitted to 200 prompts of {members} member"
    ):
        values.expected(data(tagged), pa.Table.from_pylist(rows), clip, 0)


def test_the_reward_model_of_a_member_has_not_seen_their_rewards():
    rows = log(500)
    others = [row | {"reward": 1 - row["reward"]} if row["member_id"] == "m7" else row for row in rows]
    one, other = (values.expected(data(True), pa.Table.from_pylist(each), 5, 0).rewards for each in (rows, others))
    shown = np.zeros(one.shape, dtype=bool)
    shown[np.arange(500), ["ABC".index(row["answer"]) for row in rows]] = True
    theirs = np.array([row["member_id"] == "m7" for row in rows])
    np.testing.assert_array_equal(one[theirs][~shown[theirs]], other[theirs][~shown[theirs]])
    assert np.all(one[theirs][shown[theirs]] != other[theirs][shown[theirs]])
    assert not np.allclose(one[~theirs], other[~theirs])


def test_prompts_of_fewer_candidates_have_nothing_beyond_them():
    rows = log(200)
    for row in rows[:100]:
        kept = "ABC".index(row["answer"])
        row |= {"artwork_ids": [row["artwork_ids"][kept], row["artwork_ids"][kept - 1]], "answer": "A"}
    found = values.expected(data(True), pa.Table.from_pylist(rows), 5, 0).rewards
    assert np.isnan(found[:100]).sum(axis=1).tolist() == [1] * 100
    assert np.isnan(found[:100, 2]).all()
    assert not np.isnan(found[100:]).any()
