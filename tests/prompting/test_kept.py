"""What was read of titles and impressions can be asked by name in the store."""

import random
import shutil
from datetime import timedelta

import duckdb
import pyarrow.parquet as pq
import pytest

from . import slow, worlds

ASK = """SELECT name, genres, artwork_id, candidates, propensity, "at", reward, minutes, policy
    FROM impression JOIN title USING (title_id) WHERE impression_id = 'i5'"""


def ask(folder, question=ASK):
    with duckdb.connect(f"{folder}/store/catalog.duckdb", read_only=True) as db:
        return db.execute(f"SET TimeZone = 'UTC'; {question}").fetchall()


@pytest.mark.slow
def test_names_and_the_impressions_used_are_in_the_store_once_per_state(tmp_path):
    world = worlds.plain(impressions=20)
    world.impression[5] |= {"policy": "ε", "minutes": 4.5}
    world.impression[7] |= {"title_id": "unknown"}  # becomes no prompt, and is not used
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    shown = world.impression[5]
    row = ("Title 1", ["comedy", "drama"], "t1-0", sorted(shown["candidates"]), 0.25, shown["at"], 1.0, 4.5, "ε")
    assert ask(tmp_path) == [row]
    assert ask(tmp_path, "SELECT count(*), count(DISTINCT impression_id) FROM impression") == [(19, 19)]
    assert ask(tmp_path, "SELECT count(*) FROM prompt SEMI JOIN impression USING (impression_id)") == [(19,)]
    files = sorted((tmp_path / "store").glob("*_state/**/*.parquet"))
    assert worlds.run(tmp_path, prompts__seed=1) == 0  # another recipe reads the same
    assert sorted((tmp_path / "store").glob("*_state/**/*.parquet")) == files
    world.title[1]["name"] = "Renamed"
    world.impression[5]["reward"] = 0.0
    world.impression.append(worlds.impression(99, "m9", "t3", worlds.START + timedelta(days=9), ["t3-0", "t3-1"]))
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert ask(tmp_path) == [("Renamed", *row[1:6], 0.0, *row[7:])]
    assert ask(tmp_path, "SELECT count(*), (SELECT count(*) FROM title_state) FROM impression_state") == [(20, 5)]


def test_kept_members_are_pseudonyms_where_these_are_asked_for(tmp_path, monkeypatch):
    world = worlds.plain(impressions=6)
    for row in (*world.impression, *world.history):
        row["member_id"] = f"secret-{row['member_id']}"
    world.write(tmp_path)
    monkeypatch.setenv("MEMBER_KEY", "one")
    assert worlds.run(tmp_path, prompts__member_key_env="MEMBER_KEY") == 0
    assert "secret" not in str(pq.read_table(tmp_path / "store" / "impression_state").to_pylist())
    same = "SELECT count(*) FROM impression JOIN prompt USING (impression_id, member_id)"
    assert ask(tmp_path, same) == [(6,)]


def test_a_dry_run_keeps_nothing(tmp_path):
    worlds.plain(impressions=6).write(tmp_path)
    assert worlds.run(tmp_path, "--dry-run") == 0
    assert not list((tmp_path / "store").glob("*_state"))


def keys_are_unique(folder):
    for name, key in (("prompt", "prompt_id"), ("label", "impression_id, revision")):
        twice = ask(folder, f"SELECT {key}, count(*) FROM {name} GROUP BY ALL HAVING count(*) > 1")
        assert twice == [], f"{name}: {twice}"


COUNTED = "no prompt: changed_impression"
OTHER = {
    "member_id": {"member_id": "m3"},
    "title_id, artwork_id, candidates": {
        "title_id": "t2",
        "artwork_id": "t2-0",
        "candidates": ["t2-0", "t2-1", "t2-2"],
    },
    "artwork_id": {"artwork_id": "t1-1"},
    "candidates": {"candidates": ["t1-0", "t1-1"]},
    "at": {"at": worlds.START + timedelta(hours=25, microseconds=1)},
}
"""Impression i5 as another one, by the columns in which it differs."""


@pytest.mark.slow
def test_another_impression_under_a_known_id_gets_no_prompt_and_gives_no_label(tmp_path, capsys):
    world = worlds.plain(impressions=20)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    before, row, was = worlds.rows(tmp_path), ask(tmp_path), world.impression[5]
    for columns, values in OTHER.items():
        world.impression[5] = was | values | {"reward": 0.0, "minutes": 3.0}
        world.write(tmp_path)
        capsys.readouterr()
        assert worlds.run(tmp_path) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert f"{COUNTED} 1" in told
        assert f"impression 'i5', other {columns}" in told
        counted = worlds.counts(tmp_path)
        assert (counted["new prompts"], counted["committed before"], counted["labels changed"]) == (0, 19, 0)
        assert ask(tmp_path) == row
        assert worlds.rows(tmp_path) == before
    capsys.readouterr()
    assert worlds.run(tmp_path, "--dry-run") == 0
    assert f"{COUNTED} 1" in " ".join(capsys.readouterr().out.split())
    # Another recipe has no prompt of it; the same one made again keeps the one that is there.
    assert worlds.run(tmp_path, prompts__seed=1) == worlds.run(tmp_path, prompts__rebuild=True) == 0
    assert worlds.counts(tmp_path)["left as they are"] == 1
    kept_prompt = [each for each in worlds.rows(tmp_path) if each["impression_id"] == "i5"]
    assert kept_prompt == [each for each in before if each["impression_id"] == "i5"]
    assert ask(tmp_path, "SELECT count(*) FROM label WHERE impression_id = 'i5'") == [(1,)]
    keys_are_unique(tmp_path)
    world.impression[5] = was | {"reward": 0.5}  # as it was, with a late outcome
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert COUNTED not in worlds.counts(tmp_path)
    assert worlds.counts(tmp_path)["labels changed"] == 1


@pytest.mark.slow
def test_a_log_whose_time_zone_was_mended_makes_no_second_prompts(tmp_path, capsys):
    world = worlds.plain(impressions=20)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    files = sorted((tmp_path / "store").glob("[pli]*/**/*.parquet"))
    for row in world.impression:
        row["at"] += timedelta(days=10)
    world.write(tmp_path)
    capsys.readouterr()
    assert worlds.run(tmp_path) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert "20 of 20 impressions become no prompt: changed_impression" in told
    assert "(2025-03-11 00:00:00+00, was 2025-03-01 00:00:00+00)" in told
    assert "prompts.max_lost.other" in told
    for again in ("false", "true"):
        assert worlds.run(tmp_path, **worlds.ANY_LOSS, prompts__rebuild=again) == 0
        assert worlds.counts(tmp_path)[COUNTED] == 20
    assert sorted((tmp_path / "store").glob("[pli]*/**/*.parquet")) == files
    keys_are_unique(tmp_path)


@pytest.mark.slow
def test_prompts_from_before_impressions_were_kept_hold_their_ids_too(tmp_path):
    world = worlds.plain(impressions=20)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    before = worlds.rows(tmp_path)
    shutil.rmtree(tmp_path / "store" / "impression_state")
    world.impression[5]["at"] += timedelta(days=10)
    world.impression[9]["artwork_id"] = "t1-2"
    world.impression[11] |= {"title_id": "t2", "artwork_id": "t2-0", "candidates": ["t2-0", "t2-1", "t2-2"]}
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    counted = worlds.counts(tmp_path)
    assert (counted[COUNTED], counted["new prompts"], counted["committed before"]) == (3, 0, 17)
    assert worlds.rows(tmp_path) == before
    keys_are_unique(tmp_path)


@pytest.mark.slow
def test_states_of_an_earlier_version_do_not_say_whose_pseudonyms_they_hold(tmp_path):
    world = worlds.plain(impressions=20)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    for path in (tmp_path / "store" / "impression_state").rglob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns("member_key"), path)
    world.impression[5]["at"] += timedelta(days=10)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    counted = worlds.counts(tmp_path)
    assert (counted[COUNTED], counted["committed before"]) == (1, 19)
    assert ask(tmp_path, "SELECT count(*) FROM impression") == [(20,)]


@pytest.mark.slow
def test_pseudonyms_are_compared_with_those_of_the_same_key(tmp_path, monkeypatch):
    world = worlds.plain(impressions=20)
    world.write(tmp_path)
    keyed = {"prompts__member_key_env": "MEMBER_KEY"}
    monkeypatch.setenv("MEMBER_KEY", "one")
    assert worlds.run(tmp_path, **keyed) == 0
    monkeypatch.setenv("MEMBER_KEY", "two")
    assert worlds.run(tmp_path, **keyed) == worlds.run(tmp_path) == 0  # other members by name, the same ones
    assert COUNTED not in worlds.counts(tmp_path)
    assert len(worlds.rows(tmp_path)) == 60
    world.impression[5]["member_id"] = "m3"
    world.write(tmp_path)
    for settings in (keyed, {}):
        assert worlds.run(tmp_path, **settings) == 0
        assert worlds.counts(tmp_path)[COUNTED] == 1
    assert len(worlds.rows(tmp_path)) == 60
    keys_are_unique(tmp_path)


@pytest.mark.slow
def test_view_impression_is_as_last_read_also_where_it_changed_back(tmp_path):
    world = worlds.plain(impressions=20)
    for propensity in (0.25, 0.5, 0.25):
        world.impression[7]["propensity"] = propensity
        world.write(tmp_path)
        assert worlds.run(tmp_path) == worlds.run(tmp_path) == 0
        assert ask(tmp_path, "SELECT propensity FROM impression WHERE impression_id = 'i7'") == [(propensity,)]
    assert ask(tmp_path, "SELECT count(*) FROM impression_state WHERE impression_id = 'i7'") == [(3,)]
    world.impression[7]["propensity"] = 1.0
    world.write(tmp_path)
    before = worlds.rows(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert worlds.counts(tmp_path)["propensity or policy changed"] == 1
    assert worlds.rows(tmp_path) == before
    assert worlds.run(tmp_path, prompts__rebuild=True) == 0
    assert ask(tmp_path, "SELECT propensity FROM prompt WHERE impression_id = 'i7'") == [(1.0,)]


@pytest.mark.slow
def test_a_second_log_full_of_changes_is_judged_as_by_the_slow_implementation(tmp_path):
    world, rng, shown = worlds.odd(1), random.Random(1), {"prompts__unknown_candidate": "placeholder"}
    every = [row for row in world.impression if row["impression_id"] != "i1"]  # which is the id of several
    world.impression = every[:300]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, **shown) == 0
    old = worlds.rows(tmp_path)
    prompts = {row["impression_id"] for row in old}
    before = {row["impression_id"]: dict(row) for row in every if row["impression_id"] in prompts}
    world.impression = every
    for row in world.impression:
        one, other = rng.choice(world.impression), rng.choice(["member_id", "title_id", "artwork_id", "at", "reward"])
        if rng.random() < 0.5 and row[other] is not None and one[other] is not None:
            row[other] = one[other]
        if row["candidates"] and rng.random() < 0.2:
            row["candidates"] = row["candidates"][::-1][: rng.choice([2, 100])]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, **shown) == 0
    expected, reasons = slow.logged(world, unknown="placeholder", before=before)
    assert reasons["changed_impression"] > 40
    counted = worlds.counts(tmp_path)
    assert {k.removeprefix("no prompt: "): n for k, n in counted.items() if k.startswith("no prompt: ")} == reasons
    made = {row["impression_id"]: row for row in worlds.rows(tmp_path)}
    assert {key: row for key, row in made.items() if row["run_id"] == old[0]["run_id"]} == {
        row["impression_id"]: row for row in old
    }
    columns = ("artwork_ids", "answer", "messages", "prompt", "tokens", "propensity")
    new = {key for key, row in made.items() if row["run_id"] != old[0]["run_id"]}
    assert len(new) > 20
    assert {key: {c: made[key][c] for c in columns} for key in new} == {
        key: {c: row[c] for c in columns} for key, row in expected.items() if key not in before
    }
    newest = dict(ask(tmp_path, "SELECT impression_id, reward FROM impression"))
    assert newest == {key: before[key]["reward"] for key in before} | {
        key: row["reward"] for key, row in expected.items()
    }
    keys_are_unique(tmp_path)
