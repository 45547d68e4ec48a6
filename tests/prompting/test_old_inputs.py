"""Inputs and stores from before the contracts had circumstances: nothing of what was made of them changes."""

import hashlib
import json
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from featurize.storage import tables

from . import worlds
from .test_kept import ask

KEPT = ("prompt_id", "recipe_key", "template_key", "artwork_ids", "same_as", "messages", "prompt", "answer", "reward")
KEPT += ("propensity", "split", "tokens", "asked_at")
LOGGED = "566b36275d9f51ceac2d14c59516b434823327172242518a638d90071c19b2ef"
NIGHTLY = "4d12b7f9b53db5d72933615276c471b71970905ffc06e223fa1d6b5f03b93422"
"""Computed by the version before."""
LATER = {
    "artwork": ["depicts", "maturity"],
    "title_state": ["cast"],
    "impression_state": ["propensities", "device", "country", "language", "time_zone", "max_maturity"],
    "prompt": ["propensities", "device", "country", "language", "time_zone"],
}
"""Columns that came later."""


def digest(rows):
    kept = [{name: row[name] for name in KEPT} for row in rows]
    return hashlib.sha256(json.dumps(kept, default=str, sort_keys=True).encode()).hexdigest()


@pytest.mark.slow
def test_prompts_of_inputs_without_the_new_columns_are_the_same_bytes_under_the_same_ids(tmp_path):
    worlds.odd(7).write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, prompts__unknown_candidate="placeholder") == 0
    rows = worlds.rows(tmp_path)
    assert (len(rows), rows[0]["recipe_key"], digest(rows)) == (200, "prompts-4045ff8090071500", LOGGED)
    pairs = {"prompts__kind": "nightly", "input__pairs": tmp_path / "pair.parquet"}
    at = (worlds.START + timedelta(days=120)).isoformat()
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, **pairs, prompts__at=at) == 0
    rows = [row for row in worlds.rows(tmp_path) if row["kind"] == "nightly"]
    assert (len(rows), rows[0]["recipe_key"], digest(rows)) == (35, "prompts-2247470a9a35369e", NIGHTLY)


@pytest.mark.slow
def test_a_store_of_the_version_before_goes_on(tmp_path):
    world = worlds.plain(impressions=20)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    for name, columns in LATER.items():
        for path in (tmp_path / "store" / name).rglob("*.parquet"):
            pq.write_table(pq.ParquetFile(path).read().drop_columns(columns), path)
    before = [row | dict.fromkeys(LATER["prompt"]) for row in worlds.rows(tmp_path)]
    assert worlds.run(tmp_path) == 0
    counted = worlds.counts(tmp_path)
    assert (counted["new prompts"], counted["committed before"]) == (0, 20)
    assert ask(tmp_path, "SELECT count(*), count(device), count(propensities) FROM impression") == [(20, 0, 0)]
    for row in world.impression:  # the log has them now
        row |= {"device": "phone", "propensities": [0.25, 0.7, 0.05], "language": "pt", "time_zone": "Asia/Tokyo"}
    world.title[0]["cast"] = ["Ana"]
    world.impression.append(world.impression[0] | {"impression_id": "new"})
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    counted = worlds.counts(tmp_path)
    assert (counted["new prompts"], counted["committed before"]) == (1, 20)
    assert not any("changed" in name for name in counted if counted[name])
    with tables.connect() as db:
        db.execute(f"CREATE VIEW prompt AS FROM read_parquet('{tmp_path}/store/prompt/**/*', union_by_name = true)")
        rows = tables.arrow(db, "FROM prompt ORDER BY prompt_id").to_pylist()
    assert [row for row in rows if row["impression_id"] != "new"] == before
    (new,) = [row for row in rows if row["impression_id"] == "new"]
    assert (new["device"], new["language"], new["time_zone"]) == ("phone", "pt", "Asia/Tokyo")
    assert ask(tmp_path, "SELECT DISTINCT device, propensities FROM impression") == [("phone", [0.25, 0.7, 0.05])]
    assert ask(tmp_path, "SELECT \"cast\" FROM title WHERE title_id = 't0'") == [(["Ana"],)]
    assert worlds.run(tmp_path, prompts__rebuild=True) == 0
    assert ask(tmp_path, "SELECT count(*), count(device) FROM prompt") == [(21, 21)]
    world.impression[0]["device"] = "television"
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert worlds.counts(tmp_path)["circumstances changed"] == 1
    assert ask(tmp_path, "SELECT device FROM impression WHERE impression_id = 'i0'") == [("television",)]
    files = sorted((tmp_path / "store").glob("*_state/**/*.parquet"))
    for row in world.impression:  # and then no more
        row |= {"device": None, "propensities": None}
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert sorted((tmp_path / "store").glob("*_state/**/*.parquet")) == files
