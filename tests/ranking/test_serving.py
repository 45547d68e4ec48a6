"""A real key-value store has, for each member and title, what the newest row of `choice` says."""

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lmdb

from featurize.storage import tables, views
from featurize.storage.store import Store

SCRIPT = Path(__file__).parents[2] / "infra" / "serving" / "choice_to_lmdb.py"


def test_the_newest_choice_of_each_pair_is_found_by_its_key(tmp_path):
    spec = importlib.util.spec_from_file_location("choice_to_lmdb", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    store = Store(str(tmp_path / "store"))
    for night in range(3):
        when = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=night)
        members = [f"m{number}" for number in range(0, 90, night + 1)] + ["Ünï \U0001f600", "m1 "]
        by_bucket = {}
        for number, member in enumerate(members):
            row = {"member_id": member, "title_id": f"t{number % 2}", "artwork_id": f"a{night}", "runner_up": "b"}
            row |= {"margin": 0.5, "propensity": 1.0, "model_key": "llm-1", "valid_from": when}
            row |= {"prompt_id": f"{night}{number:031}", "run_id": "r", "code_version": "v", "computed_at": when}
            by_bucket.setdefault(script.key(member, "")[:1].decode(), []).append(row)
        if night == 1:  # one with few rows
            by_bucket = {"all": [row for rows in by_bucket.values() for row in rows]}
        for bucket, rows in by_bucket.items():
            rows.sort(key=lambda row: (row["member_id"], row["title_id"]))
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            store.commit("choice", bucket, f"night{night}", tables.rows("choice", columns))
    with views.connect(store) as db:
        columns = "member_id, title_id, artwork_id, runner_up, propensity, model_key"
        expected = db.execute(f"SELECT {columns} FROM current_choice").fetchall()
    assert script.load(store.uri, tmp_path / "choice.lmdb") == len(expected) > 90
    opened = lmdb.open(str(tmp_path / "choice.lmdb"), subdir=False, readonly=True, lock=False)
    with opened as database, database.begin() as reading:
        for member, title, *shown in expected:
            assert json.loads(reading.get(script.key(member, title))) == shown
        assert reading.get(script.key("nobody", "t0")) is None
    assert script.look_up(tmp_path / "choice.lmdb", 1000) > 0
