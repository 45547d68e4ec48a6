"""How long `similar_artwork` takes on a million vectors of the usual width, opened as an analyst does."""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from featurize.bench.figures import Figure, Setup
from featurize.storage import tables, views
from featurize.storage.store import Store

PER_IMAGE = 1000
"""Vectors for each image of the setup: a million at the default of 1,000."""
WIDTH = 512
PART = 20_000
ASKED = 5
NEAREST = 10


def measure(setup: Setup) -> list[Figure]:
    """The first search after opening `catalog.duckdb`, and the median of those after it."""
    count = setup.images * PER_IMAGE
    with tempfile.TemporaryDirectory(prefix="bench-similar-") as folder:
        print(f"writing {count:,} vectors to {folder}", flush=True)
        store = Store(folder)
        _write(store, count)
        views.refresh(store)
        seconds = []
        with duckdb.connect(str(Path(folder, views.DATABASE)), read_only=True) as db:
            for number in range(ASKED):
                begun = time.perf_counter()
                found = db.execute(f"FROM similar_artwork('a{number}', {NEAREST})").fetchall()
                seconds.append(time.perf_counter() - begun)
                assert len(found) == min(NEAREST, count - 1)
    name = f"similar_artwork on {count:,} x {WIDTH}"
    return [
        Figure(name, statistics.median(seconds[1:]), "s", "DuckDB's reading of lists is most of it", at_most=2),
        Figure("  the first one", seconds[0], "s"),
    ]


def _write(store: Store, count: int) -> None:
    random = np.random.default_rng(0)
    now = datetime.now(UTC)
    for begin in range(0, count, PART):
        numbers = range(begin, min(begin + PART, count))
        size = len(numbers)
        shas = [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]
        origin = {"run_id": ["bench"] * size, "code_version": ["bench"] * size}
        vectors = random.standard_normal((size, WIDTH), np.float32)
        embedding: dict[str, Any] = {
            "image_sha256": shas,
            "model_key": ["bench"] * size,
            "embedding": vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
            "computed_at": [now] * size,
        }
        artwork: dict[str, Any] = {
            "artwork_id": [f"a{number}" for number in numbers],
            "title_id": [f"t{number // 8}" for number in numbers],
            "uri": shas,
            "image_sha256": shas,
            "size": [1] * size,
            "source": ["bench"] * size,
            "present": [True] * size,
            "seen_at": [now] * size,
        }
        part = f"{begin:032}"
        store.commit("image_embedding", "bench", part, tables.rows("image_embedding", embedding | origin))
        store.commit("artwork", "", part, tables.rows("artwork", artwork | origin))
