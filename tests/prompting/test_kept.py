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
    for row in world.impression:
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
