"""A label that arrives or changes days after the impression counts, and the earlier one stays for the record."""

import json
import random
from datetime import timedelta

import duckdb
import pyarrow.parquet as pq
import pytest

from featurize.storage import tables
from featurize.storage.store import Store

from . import worlds


def labels(folder):
    """impression_id -> [(revision, reward, minutes)], read as people read it."""
    found = {}
    with tables.connect() as db:
        glob = f"{folder}/store/label/**/*.parquet"
        query = f"SELECT impression_id, revision, reward, minutes FROM read_parquet('{glob}') ORDER BY ALL"
        for key, *label in db.execute(query).fetchall():
            found.setdefault(key, []).append(tuple(label))
    return found


def ask(folder, query):
    with duckdb.connect(f"{folder}/store/catalog.duckdb", read_only=True) as db:
        return db.execute(query).fetchall()


def parts(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "store" / "prompt").rglob("*.parquet")}


@pytest.mark.slow
def test_a_reward_that_arrives_days_later_replaces_the_label_and_is_told(tmp_path, capsys):
    world = worlds.plain(impressions=20)
    for row in world.impression:
        row |= {"reward": 0.0, "minutes": None}
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert worlds.counts(tmp_path)["labels changed"] == 0
    assert ask(tmp_path, "SELECT count(*) FROM sft UNION ALL SELECT count(*) FROM dpo") == [(0,), (0,)]
    before = parts(tmp_path)
    world.impression[3] |= {"reward": 1.0, "minutes": 95.5}
    world.impression[8] |= {"minutes": 2.0}
    world.write(tmp_path)
    capsys.readouterr()
    assert worlds.run(tmp_path, prompts__export=tmp_path / "out") == 0
    assert "labels changed 2" in capsys.readouterr().out
    counted = worlds.counts(tmp_path)
    assert (counted["labels changed"], counted["new prompts"], counted["committed before"]) == (2, 0, 20)
    assert parts(tmp_path) == before
    assert {row["reward"] for row in worlds.rows(tmp_path)} == {0.0}
    newest = "SELECT impression_id, reward, minutes, first_reward, label_revision FROM labelled_prompt"
    assert ask(tmp_path, f"{newest} WHERE label_revision > 1 ORDER BY ALL") == [
        ("i3", 1.0, 95.5, 0.0, 2),
        ("i8", 0.0, 2.0, 0.0, 2),
    ]
    assert ask(tmp_path, "SELECT count(*) FROM labelled_prompt") == [(20,)]
    (prompt,) = (row for row in worlds.rows(tmp_path) if row["impression_id"] == "i3")
    assert {key for (key,) in ask(tmp_path, "SELECT prompt_id FROM sft UNION ALL SELECT prompt_id FROM dpo")} == {
        prompt["prompt_id"]
    }
    exported = [json.loads(line) for path in (tmp_path / "out").glob("sft-*") for line in path.read_text().splitlines()]
    assert len(exported) == 1
    assert labels(tmp_path)["i3"] == [(1, 0.0, None), (2, 1.0, 95.5)]
    assert labels(tmp_path)["i4"] == [(1, 0.0, None)]


@pytest.mark.slow
def test_a_label_may_change_back_and_a_log_without_minutes_takes_none_back(tmp_path):
    world = worlds.plain(impressions=1)
    for reward, minutes in ((0.0, None), (1.0, 50.0), (0.0, None), (0.0, None), (1.0, 50.0), (1.0, float("nan"))):
        world.impression[0] |= {"reward": reward, "minutes": minutes}
        world.write(tmp_path)
        assert worlds.run(tmp_path, prompts__max_lost__minutes=1) == 0
    assert labels(tmp_path)["i0"] == [(1, 0.0, None), (2, 1.0, 50.0), (3, 0.0, 50.0), (4, 1.0, 50.0)]
    assert ask(tmp_path, "SELECT reward, minutes FROM labelled_prompt") == [(1.0, 50.0)]


@pytest.mark.slow
def test_a_late_label_counts_in_every_recipe(tmp_path):
    world = worlds.plain(impressions=4)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    world.impression[0] |= {"reward": 0.25}
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__seed=1) == 0
    assert worlds.counts(tmp_path)["labels changed"] == 1
    assert ask(tmp_path, "SELECT reward FROM labelled_prompt WHERE impression_id = 'i0'") == [(0.25,), (0.25,)]
    assert len(labels(tmp_path)["i0"]) == 2


@pytest.mark.slow
def test_only_labels_and_prompts_of_the_days_in_the_input_are_read(tmp_path):
    world = worlds.plain(impressions=40)
    every, world.impression = world.impression, [row for row in world.impression if row["at"].day < 8]
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    for table in ("label", "prompt"):
        for path in (tmp_path / "store" / table).rglob("*.parquet"):
            path.write_bytes(b"not to be read")
    world.impression = [row for row in every if row["at"].day >= 8]
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert worlds.counts(tmp_path)["labels changed"] == 0


@pytest.mark.slow
def test_an_impression_that_becomes_no_prompt_has_no_label(tmp_path):
    world = worlds.odd(8)
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS) == worlds.run(tmp_path, **worlds.ANY_LOSS) == 0
    assert {key: each[0][:2] for key, each in labels(tmp_path).items()} == {
        row["impression_id"]: (1, row["reward"]) for row in worlds.rows(tmp_path)
    }
    assert all(len(each) == 1 for each in labels(tmp_path).values())


def test_a_dry_run_counts_changed_labels_and_writes_none(tmp_path, capsys):
    world = worlds.plain(impressions=3)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    world.impression[0] |= {"reward": 0.5}
    world.write(tmp_path)
    capsys.readouterr()
    assert worlds.run(tmp_path, "--dry-run") == 0
    assert "labels changed 1" in capsys.readouterr().out
    assert len(labels(tmp_path)["i0"]) == 1


@pytest.mark.slow
def test_many_nights_of_late_labels_end_as_the_last_log_says(tmp_path):
    rng, world = random.Random(1), worlds.plain(impressions=60)
    said = {}
    for night in range(4):
        day = worlds.START + timedelta(days=4 * (night + 1))
        seen = [row for row in world.impression if row["at"] < day]
        for row in rng.sample(seen, len(seen) // 3):
            row |= {"reward": rng.choice([0.0, 0.5, 1.0]), "minutes": rng.choice([1.0, 2.0])}
        for row in seen:
            label = (row["reward"], row.get("minutes"))
            if not said.get(row["impression_id"]) or said[row["impression_id"]][-1] != label:
                said.setdefault(row["impression_id"], []).append(label)
        tonight = worlds.World(**{**vars(world), "impression": seen})
        tonight.write(tmp_path)
        assert worlds.run(tmp_path) == 0
    assert {key: [label[1:] for label in each] for key, each in labels(tmp_path).items()} == said
    rows = ask(tmp_path, "SELECT impression_id, reward, minutes, first_reward FROM labelled_prompt")
    assert {key: [label, first] for key, *label, first in rows} == {
        key: [list(each[-1]), each[0][0]] for key, each in said.items()
    }


@pytest.mark.slow
def test_on_s3_late_labels_count_too(tmp_path, s3_bucket):
    world = worlds.plain(impressions=12)
    world.write(tmp_path)
    source = Store(str(tmp_path / "store"))
    place = Store(f"s3://{s3_bucket}/store")
    for table in ("artwork", "description"):
        for part in source.parts(table):
            place.write(part, source.read(part))
    for reward in (0.0, 1.0):
        world.impression[5] |= {"reward": reward}
        world.impression[6]["at"] += timedelta(days=10 * reward)  # another impression under the id of the first
        world.write(tmp_path)
        assert worlds.run(tmp_path, store=place.uri) == 0
    assert place.dataset("prompt").count_rows() == 12
    found = place.dataset("label").to_table().to_pylist()
    assert len(found) == 13
    assert [row["revision"] for row in found if row["impression_id"] == "i5"] == [1, 2]
    assert pq.read_table(f"{place.path}/{place.parts('prompt')[0]}", filesystem=place.fs).num_rows > 0


@pytest.mark.slow
def test_minutes_that_cannot_be_right_change_no_label_and_are_counted(tmp_path, capsys):
    world = worlds.plain(impressions=4)
    world.impression[2]["minutes"] = 12.0
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__max_lost__minutes=1) == 0
    for minutes in (-4.0, 1e300):
        world.impression[2]["minutes"] = minutes
        world.write(tmp_path)
        capsys.readouterr()
        assert worlds.run(tmp_path, prompts__max_lost__minutes=1) == 0
        counted = worlds.counts(tmp_path)
        assert (counted["minutes left out"], counted["labels changed"]) == (1, 0)
        assert f"impression 'i2', minutes {minutes:g}" in " ".join(capsys.readouterr().out.split())
    assert labels(tmp_path)["i2"] == [(1, 1.0, 12.0)]
