"""What was read of titles and impressions can be asked by name in the store."""

from datetime import timedelta

import duckdb
import pyarrow.parquet as pq

from . import worlds

ASK = """SELECT name, genres, artwork_id, candidates, propensity, "at", reward, minutes, policy
    FROM impression JOIN title USING (title_id) WHERE impression_id = 'i5'"""


def ask(folder, question=ASK):
    with duckdb.connect(f"{folder}/store/catalog.duckdb", read_only=True) as db:
        return db.execute(f"SET TimeZone = 'UTC'; {question}").fetchall()


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


def test_an_impression_that_moves_to_another_day_keeps_its_one_prompt_and_is_told(tmp_path, capsys):
    world = worlds.plain(impressions=20)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    before = worlds.rows(tmp_path)
    world.impression[5]["at"] += timedelta(days=2)  # where others are
    world.impression[6]["at"] -= timedelta(days=30)  # where none is
    world.impression[6]["reward"] = 0.0
    world.impression[7]["propensity"] = 0.5
    world.write(tmp_path)
    capsys.readouterr()
    for flags in (["--dry-run"], []):
        assert worlds.run(tmp_path, *flags) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "impressions changed 3" in told
        assert "impression 'i5', other at" in told
        assert "labels changed 1" in told
    counted = worlds.counts(tmp_path)
    assert (counted["new prompts"], counted["committed before"]) == (0, 20)
    assert worlds.rows(tmp_path) == before
    assert ask(tmp_path, "SELECT reward, label_revision FROM labelled_prompt WHERE impression_id = 'i6'") == [(0.0, 2)]
    keys_are_unique(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert "impressions changed" not in worlds.counts(tmp_path)
    # Another recipe, and the same one made again, say what the log says now; still once each.
    assert worlds.run(tmp_path, prompts__seed=1) == worlds.run(tmp_path, prompts__rebuild=True) == 0
    keys_are_unique(tmp_path)
    moved = ask(tmp_path, """SELECT count(*), count(DISTINCT asked_at) FROM prompt WHERE impression_id = 'i6'""")
    assert moved == [(2, 1)]
    world.impression[6]["at"] += timedelta(days=30)  # and back
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert worlds.counts(tmp_path)["impressions changed"] == 1
    assert ask(tmp_path, """SELECT "at" = '2025-03-02 06:00:00Z' FROM impression WHERE impression_id = 'i6'""") == [
        (True,)
    ]
    keys_are_unique(tmp_path)
