"""Members dealt into buckets: whoever words their prompts, and in however many, they are the same."""

import json
import subprocess
import sys
import time
from collections import Counter

import pyarrow.parquet as pq
import pytest

from tests.prompting import test_rebuild, worlds

pytestmark = pytest.mark.slow


def found(folder):
    """The rows of `prompt`, less what differs from run to run."""
    own = ("run_id", "computed_at")
    return [{key: value for key, value in row.items() if key not in own} for row in worlds.rows(folder)]


def same(tmp_path, made, buckets, executor="local", **settings):
    """Makes prompts in one bucket and in these, and compares rows and counts; returns the rows."""
    rows, counts = [], []
    for name, more in (("one", {}), ("more", {"prompts__buckets": buckets, "prompts__cpus": 1})):
        folder = tmp_path / name
        folder.mkdir()
        made.write(folder)
        if made.pair:
            settings["input__pairs"] = folder / "pair.parquet"
        where = {"run__executor": executor if more else "local"}
        assert worlds.run(folder, **worlds.ANY_LOSS, **settings, **where, **more) == 0
        rows.append(found(folder))
        counts.append({name: count for name, count in worlds.counts(folder).items() if isinstance(count, int)})
    assert rows[0] == rows[1]
    assert counts[0] == counts[1]
    assert not (tmp_path / "more/store/_buckets").exists()
    return rows[0]


@pytest.mark.parametrize("words", ["multiple-choice-v2", "multiple-choice-short-v2"])
def test_the_prompts_of_impressions_are_those_of_one_bucket(tmp_path, words):
    """In a world with every oddity: rows twice, members without history, unknown zones, artwork that was replaced."""
    assert len(same(tmp_path, worlds.odd(seed=4), buckets=3, prompts__template=words)) > 50


def test_the_prompts_of_a_night_are_those_of_one_bucket_on_ray(tmp_path, monkeypatch):
    """In the demo world; members have pseudonyms, and some buckets have no member."""
    monkeypatch.setenv("A_SECRET", "for a test")
    made = worlds.demo(impressions=300, of_titles=12, members=12)
    members = sorted({row["member_id"] for row in made.impression})[:9]
    made.pair = [{"member_id": member, "title_id": row["title_id"]} for member in members for row in made.title]
    night = {"prompts__kind": "nightly", "prompts__member_key_env": "A_SECRET", "prompts__at": "2026-11-01T03:00:00Z"}
    assert len(same(tmp_path, made, buckets=20, executor="ray", **night)) > 90


def test_what_is_made_again_in_buckets_is_what_one_bucket_makes(tmp_path):
    """Under the ids that they have; days that the input does not ask for stay."""
    rows, counts = [], []
    for name, first, then in (("one", 1, 1), ("more", 2, 3)):
        folder = tmp_path / name
        folder.mkdir()
        world = worlds.plain(impressions=60)
        where = {"run__executor": "local", "prompts__cpus": 1}
        test_rebuild.made(folder, world, prompts__buckets=first, **where)
        before = found(folder)
        world.impression = world.impression[:40]
        world.write(folder)
        assert worlds.run(folder, prompts__buckets=then, **where, **test_rebuild.AGAIN) == 0
        rows.append(found(folder))
        counts.append({name: count for name, count in worlds.counts(folder).items() if isinstance(count, int)})
        assert [row["prompt_id"] for row in rows[-1]] == [row["prompt_id"] for row in before]
        assert not list(folder.glob("store/_new/prompt")) + list(folder.glob("store/_buckets"))
    assert rows[0] == rows[1]
    assert counts[0] == counts[1]
    assert counts[0]["made again"] == 40
    assert Counter(test_rebuild.said(rows[0]).values()) == {True: 40, False: 20}


def dealt(folder):
    """What a killed run has left of what it dealt, as a text."""
    files = sorted((folder / "store/_buckets").rglob("*.parquet"))
    return json.dumps([(path.parent.name, pq.read_table(path).to_pylist()) for path in files], default=str)


def test_killed_between_buckets_and_run_again_with_other_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "for a test")
    for name in ("killed", "clean"):
        (tmp_path / name).mkdir()
        worlds.plain(impressions=400, members=40).write(tmp_path / name)
    killed = tmp_path / "killed"
    named = {"prompts__member_key_env": "A_SECRET"}
    many = named | {"run__executor": "local", "prompts__buckets": 20}
    parts = (killed / "store" / "prompt").rglob
    with subprocess.Popen([sys.executable, "-m", "jobs.prompts", *worlds.settings(killed, **many)]) as process:
        while len(list(parts("*.parquet"))) < 3 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
    assert 3 <= len(found(killed)) < 400
    assert "found_event" in dealt(killed)
    assert '"m7"' not in dealt(killed)
    assert worlds.run(killed, **many | {"prompts__buckets": 2}) == worlds.run(tmp_path / "clean", **named) == 0
    assert found(killed) == found(tmp_path / "clean")
    assert not (killed / "store/_buckets").exists()
    assert worlds.run(killed, **many | {"prompts__buckets": 2}) == 0
    assert worlds.counts(killed)["new prompts"] == 0
