"""Every impression ends as a prompt or in a count with a reason, and what to do without a description is a choice."""

import json
from collections import Counter

import duckdb
import pytest

from . import worlds

NAN = float("nan")


WRONG = [
    ({"candidates": ["t1-0"]}, "few_candidates"),
    ({"candidates": ["t1-0", "t1-0"]}, "few_candidates"),
    ({"candidates": ["t1-0", "t1-0", "t2-0"]}, "unknown_candidate"),
    ({"candidates": ["t1-0", "t1-1", "t9-9"]}, "unknown_candidate"),
    ({"artwork_id": "t1-9"}, "shown_not_candidate"),
    ({"candidates": ["t1-0", "t1-1", "t2-0"], "artwork_id": "t2-0"}, "unknown_candidate"),
    ({"title_id": "t9"}, "unknown_title"),
    ({"propensity": 0.0}, "bad_propensity"),
    ({"propensity": 1.0000001}, "bad_propensity"),
    ({"propensity": NAN}, "bad_propensity"),
    ({"propensity": None}, "bad_propensity"),
    ({"propensities": [0.25]}, "bad_propensities"),
    ({"propensities": []}, "bad_propensities"),
    ({"propensities": [0.25, 0.7]}, "bad_propensities"),
    ({"propensities": [0.75, 0.25]}, "bad_propensities"),
    ({"propensities": [1.25, -0.25]}, "bad_propensities"),
    ({"propensities": [0.25, NAN]}, "bad_propensities"),
    ({"propensities": [0.25, None]}, "bad_propensities"),
    ({"propensities": [0.25, 0.75], "minutes": NAN, "max_maturity": -1}, "bad_max_maturity"),
    ({"propensities": [NAN, 0.75], "minutes": NAN}, "bad_propensities"),
    ({"candidates": ["t1-0", "t1-1", "t1-0"], "propensities": [0.25, 0.5, 0.25]}, "bad_propensities"),
    ({"candidates": ["t1-0", "t1-1", "adult"], "max_maturity": 17}, "unsuitable_candidate"),
    ({"candidates": ["t1-0", "adult"], "artwork_id": "adult", "max_maturity": 17}, "unsuitable_shown"),
    ({"candidates": ["t1-0", "adult", "t9-9"], "max_maturity": 17}, "unknown_candidate"),
    ({"reward": NAN}, "bad_reward"),
    ({"reward": -0.1}, "bad_reward"),
    ({"impression_id": "i0"}, "duplicate_id"),
    ({"impression_id": None}, "incomplete"),
    ({"at": None}, "incomplete"),
    ({"candidates": None}, "incomplete"),
    ({"candidates": ["t1-0", "t1-1", ""]}, "bad_candidates"),
    ({"candidates": ["t1-0", "t1-1", None]}, "bad_candidates"),
    ({"at": worlds.datetime(2999, 1, 1, tzinfo=worlds.UTC)}, "bad_time"),
]


ADULT = worlds.artwork("adult", "t1", maturity=18)


def test_reasons_are_counted_beside_each_other(tmp_path):
    world = worlds.plain(impressions=5 + len(WRONG))
    world.artwork.append(ADULT)
    for row, (changes, _) in zip(world.impression[5:], WRONG, strict=True):
        row |= {"title_id": "t1", "artwork_id": "t1-0", "candidates": ["t1-0", "t1-1"]} | changes
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS) == 0
    assert {row["impression_id"] for row in worlds.rows(tmp_path)} == {f"i{n}" for n in range(5)}
    lost = {name: n for name, n in worlds.counts(tmp_path).items() if name.startswith("no prompt")}
    assert lost == Counter(f"no prompt: {reason}" for _, reason in WRONG)


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "reason"), WRONG)
def test_each_reason_is_counted(tmp_path, capsys, changes, reason):
    world = worlds.plain(impressions=6)
    world.artwork.append(ADULT)
    world.impression[5] |= {"candidates": ["t1-0", "t1-1"]} | changes
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert {row["impression_id"] for row in worlds.rows(tmp_path)} == {f"i{n}" for n in range(5)}
    counted = worlds.counts(tmp_path)
    assert {name: n for name, n in counted.items() if name.startswith("no prompt")} == {f"no prompt: {reason}": 1}
    assert (counted["impressions"], counted["new prompts"]) == (6, 5)
    assert f"no prompt: {reason} 1" in capsys.readouterr().out


@pytest.mark.slow
def test_more_candidates_than_letters(tmp_path):
    world = worlds.plain(impressions=2, candidates=53)
    world.impression[1]["candidates"] = world.impression[1]["candidates"][:52]
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__max_lost__other=0.5) == 0
    (row,) = worlds.rows(tmp_path)
    assert len(row["artwork_ids"]) == 52
    assert 'z. "A picture, ' in row["prompt"]
    assert worlds.counts(tmp_path)["no prompt: too_many_candidates"] == 1


@pytest.mark.parametrize(
    ("missing", "of_shown", "of_other"),
    [("placeholder", 3, 3), ("drop", None, 2), ("skip", None, None)],
)
def test_a_candidate_without_a_description(tmp_path, missing, of_shown, of_other):
    """i0 shows the artwork that has none, i4 shows another one."""
    world = worlds.plain(impressions=5)
    world.impression = [world.impression[0], world.impression[4] | {"artwork_id": "t0-1"}]
    world.description = [row for row in world.description if row["image_sha256"] != worlds.sha("t0-0")]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, prompts__missing_description=missing) == 0
    lengths = {row["impression_id"]: len(row["artwork_ids"]) for row in worlds.rows(tmp_path)}
    assert (lengths.get("i0"), lengths.get("i4")) == (of_shown, of_other)
    assert worlds.counts(tmp_path).get("no prompt: no_description", 0) == (of_shown, of_other).count(None)


@pytest.mark.slow
def test_nothing_is_asked_about_artwork_of_which_nothing_is_known(tmp_path):
    world = worlds.plain(impressions=4)
    world.description = [row for row in world.description if row["image_sha256"] == worlds.sha("t1-0")]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS) == 0
    assert [row["title_id"] for row in worlds.rows(tmp_path)] == ["t1"]
    assert worlds.counts(tmp_path)["no prompt: no_description"] == 3


@pytest.mark.slow
def test_history_that_cannot_be_used_is_counted(tmp_path):
    world = worlds.plain(impressions=1)
    at = world.impression[0]["at"] - worlds.timedelta(days=1)
    world.history = [
        worlds.event("m0", "t1", at),
        worlds.event("m0", "t99", at),
        worlds.event("m0", "t1", at, "rewind"),
        worlds.event("m0", "t1", None),
        worlds.event("m0", None, at),
    ]
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__max_lost__history=0.8) == 0
    counted = worlds.counts(tmp_path)
    assert {name: rows for name, rows in counted.items() if name.startswith("history")} == {
        "history rows used": 1,
        "history rows not needed": 0,
        "history rows left out: incomplete": 2,
        "history rows left out: unknown_event 'rewind'": 1,
        "history rows left out: unknown_title": 1,
    }


@pytest.mark.slow
def test_the_run_row_says_what_became_of_it(tmp_path):
    worlds.plain(impressions=3).write(tmp_path)
    assert worlds.run(tmp_path, "--run-id", "r1") == 0
    row = duckdb.sql(f"SELECT job, outcome, settings, counts FROM '{tmp_path}/store/run/**/r1.parquet'").fetchall()[0]
    assert row[:2] == ("prompts", "done")
    assert json.loads(row[2])["prompts"]["kind"] == "logged"
    assert json.loads(row[3])["new prompts"] == 3
