"""How long the evaluate job takes on a world as large as that of the paper, with ten rankers."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from featurize.bench import process
from featurize.bench.figures import Figure, Setup
from featurize.storage import tables
from featurize.storage.store import Store
from featurize.storage.tables import sql

PROMPTS, HELD_OUT = 110, 5
"""For each image of the setup: at the default of 1,000 as in the paper, 110,000 prompts and 5,000 held out."""
RANKERS = 10
DRAWS = 1000


def measure(setup: Setup) -> list[Figure]:
    """The whole process, with the plot."""
    held_out = setup.images * HELD_OUT
    with tempfile.TemporaryDirectory(prefix="bench-evaluation-") as folder:
        _write(Store(f"{folder}/store"), setup.images * PROMPTS, held_out)
        sets = [f"--set={each}" for each in ("store=store", f"evaluate.draws={DRAWS}", "evaluate.min_effective=0")]
        ran = process.run([sys.executable, "-m", "jobs.evaluate", *sets], Path(folder))
    name = f"evaluation of {RANKERS} rankers on {held_out:,} prompts"
    return [
        Figure(name, ran.seconds, "s", f"{DRAWS:,} draws, slices and plot; the whole process", at_most=5),
        Figure("  its peak memory", ran.peak_bytes / 1e9, "GB"),
    ]


def _write(store: Store, prompts: int, held_out: int) -> None:
    with tables.connect() as db:
        sizes = {"prompts": prompts, "held_out": held_out, "members": max(1, prompts * 10 // 23)}
        text = sql("bench", "held_out_prompt").rstrip().removesuffix(";")
        db.execute(f"CREATE TABLE prompt AS {text}", sizes)
        _commit(store, "prompt", "bench/2025-05-01", tables.arrow(db, "FROM prompt"))
        models = {"bench": {"backend": "prompts", "kind": "logged", "held_out": {}}}
        for ranker in range(RANKERS):
            key = f"ranker{ranker}-{ranker}"
            models[key] = {"backend": f"ranker{ranker}"}
            rows = tables.arrow(db, sql("bench", "ranking"), {"ranker": ranker, "model_key": key})
            _commit(store, "ranking", key, rows)
    columns: dict[str, list[Any]] = {
        "model_key": list(models),
        "backend": [each["backend"] for each in models.values()],
        "fingerprint": [json.dumps(each) for each in models.values()],
        "run_id": ["bench"] * len(models),
        "code_version": ["bench"] * len(models),
        "computed_at": [datetime.now(UTC)] * len(models),
    }
    store.commit("model", "", "bench", tables.rows("model", columns))


def _commit(store: Store, table: str, folder: str, rows: Any) -> None:
    columns = {name: rows[name] for name in rows.column_names}
    store.commit(table, folder, "bench", tables.rows(table, columns))
