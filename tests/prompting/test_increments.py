"""A rerun makes what is missing, and leaves alone what is there."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from featurize.prompting import parts as layout
from featurize.storage.lease import Lease
from featurize.storage.store import Store

from . import worlds

OF_THE_RUN = ("run_id", "computed_at")


def parts(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder, "store", "prompt").rglob("*.parquet")}


def without_run(rows):
    return [{name: value for name, value in row.items() if name not in OF_THE_RUN} for row in rows]


def test_a_rerun_writes_nothing(tmp_path):
    worlds.odd(7).write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS) == 0
    before = parts(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS) == 0
    assert parts(tmp_path) == before
    counted = worlds.counts(tmp_path)
    assert (counted["new prompts"], counted["committed before"]) == (0, len(worlds.rows(tmp_path)))
    lost = sum(count for name, count in counted.items() if name.startswith("no prompt"))
    assert counted["impressions"] == counted["committed before"] + lost


@pytest.mark.slow
def test_a_new_day_neither_reads_nor_rewrites_the_others(tmp_path):
    world = worlds.plain(impressions=40)
    every, world.impression = world.impression, [row for row in world.impression if row["at"].day < 8]
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    before = parts(tmp_path)
    assert len(before) == 7
    whole = {path: path.read_bytes() for path in before}
    for path in before:
        path.write_bytes(b"not to be read")
    stamps = parts(tmp_path)
    world.impression = every
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    after = parts(tmp_path)
    assert {path: after[path] for path in before} == stamps
    assert {path.parents[1].name for path in after.keys() - before.keys()} == {"2025-03-08", "2025-03-09"}
    for path, data in whole.items():
        path.write_bytes(data)
    assert sorted(row["impression_id"] for row in worlds.rows(tmp_path)) == sorted(
        row["impression_id"] for row in every
    )


@pytest.mark.slow
def test_what_comes_late_or_becomes_possible_is_added(tmp_path):
    world = worlds.plain(impressions=20)
    late, last = world.impression.pop(3), world.description.pop()
    lost = {row["impression_id"] for row in world.impression if row["title_id"] == "t3"}
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, prompts__missing_description="skip") == 0
    assert {row["impression_id"] for row in worlds.rows(tmp_path)} == {
        row["impression_id"] for row in world.impression
    } - lost
    world.impression.append(late)
    world.description = [last]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, prompts__missing_description="skip") == 0
    assert len(worlds.rows(tmp_path)) == 20
    assert worlds.counts(tmp_path)["new prompts"] == len(lost) + 1


@pytest.mark.slow
def test_parts_of_any_size_hold_the_same_prompts(tmp_path, monkeypatch):
    for size in (2, 20_000):
        folder = tmp_path / str(size)
        folder.mkdir()
        worlds.plain(impressions=40).write(folder)
        monkeypatch.setattr(layout, "PART", size)
        assert worlds.run(folder) == worlds.run(folder) == 0
        assert worlds.counts(folder)["new prompts"] == 0
    assert without_run(worlds.rows(tmp_path / "2")) == without_run(worlds.rows(tmp_path / "20000"))
    assert len(parts(tmp_path / "2")) > 2 * len(parts(tmp_path / "20000"))


@pytest.mark.slow
def test_a_run_that_is_killed_is_completed_by_the_next(tmp_path):
    for name in ("killed", "clean"):
        (tmp_path / name).mkdir()
        worlds.plain(impressions=2000).write(tmp_path / name)
    killed = tmp_path / "killed"
    with subprocess.Popen([sys.executable, "-m", "jobs.prompts", *worlds.settings(killed)]) as process:
        while len(parts(killed)) < 5 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
    some = parts(killed)
    assert worlds.run(killed) == worlds.run(tmp_path / "clean") == 0
    assert 5 <= len(some) < len(parts(killed))
    assert some.items() <= parts(killed).items()
    assert without_run(worlds.rows(killed)) == without_run(worlds.rows(tmp_path / "clean"))


def test_the_second_of_two_runs_is_told_who_is_at_work(tmp_path, capsys):
    worlds.plain().write(tmp_path)
    with Lease(Store(str(tmp_path / "store")), "prompts", "the-other-run"):
        assert worlds.run(tmp_path) == 3
    assert "run the-other-run" in capsys.readouterr().err


@pytest.mark.slow
def test_other_settings_are_another_recipe_beside_the_first(tmp_path):
    worlds.plain(impressions=5).write(tmp_path)
    for changes in ({}, {"prompts__seed": 1}, {"prompts__missing_description": "drop"}, {"prompts__held_out": 1}):
        assert worlds.run(tmp_path, **changes) == 0
        assert worlds.counts(tmp_path)["new prompts"] == 5
    rows = worlds.rows(tmp_path)
    assert len({row["prompt_id"] for row in rows}) == 20
    assert len({row["recipe_key"] for row in rows}) == 4


@pytest.mark.slow
def test_nightly_asks_about_members_who_were_active(tmp_path):
    world = worlds.plain()
    tonight = worlds.START + timedelta(days=60)
    for member, days in (("m0", 1), ("m1", 7), ("m2", 8), ("m3", 0), ("m4", -1)):
        world.history.append(worlds.event(member, "t1", tonight - timedelta(days=days)))
    world.write(tmp_path)
    nightly = {"prompts__kind": "nightly", "prompts__at": tonight.isoformat(), "input__impressions": None}
    active = {"prompts__active_days": 7, "prompts__rank": '["t0", "t2", "t2", "t9"]'}
    for _ in range(2):
        assert worlds.run(tmp_path, **nightly, **active, prompts__max_lost__unknown_title=0.5) == 0
    rows = worlds.rows(tmp_path)
    assert {(row["member_id"], row["title_id"]) for row in rows} == {(m, t) for m in ("m0", "m1") for t in ("t0", "t2")}
    assert {row["asked_at"] for row in rows} == {tonight}
    assert worlds.counts(tmp_path)["no prompt: unknown_title"] == 2
    assert worlds.run(tmp_path, prompts__kind="nightly") == 2


def test_a_history_in_which_nobody_was_active_is_refused(tmp_path, capsys):
    world = worlds.plain()
    world.history = [worlds.event("m0", "t1", worlds.START)]
    world.write(tmp_path)
    later = {"prompts__at": (worlds.START + timedelta(days=60)).isoformat(), "prompts__rank": '["t0"]'}
    assert worlds.run(tmp_path, prompts__kind="nightly", prompts__active_days=7, **later) == 2
    told = capsys.readouterr().err
    assert "prompts.active_days: in input.history no member was active in the 7 days before" in told
    assert f"its newest row is of {worlds.START:%Y-%m-%d}" in told
