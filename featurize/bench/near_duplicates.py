"""How long a night's new pictures take to be compared with all embeddings of the store, and in how much memory.

The vectors are drawn, and of every hundredth new one there is a near copy, which must be found. The comparison is the
job's own, in a process of its own that holds nothing else.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from featurize.bench import process
from featurize.bench.figures import Figure, Setup
from featurize.errors import RunFailed
from featurize.execution import plan
from featurize.featurizing.near_duplicates import SHARD, TABLE, Comparison
from featurize.inference.extractor import Placement
from featurize.storage import tables
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin, sql

WIDTH = 512
PART = 20_000
COPIED = 100
"""Of so many new pictures one has a near copy among the old ones."""
ORIGIN = Origin("bench", "bench")
WORKER = "from featurize.bench import near_duplicates; near_duplicates.work()"


def small(setup: Setup) -> list[Figure]:
    """A hundredth of the large measure."""
    return _measured(setup.images, 100 * setup.images)


def large(setup: Setup) -> list[Figure]:
    """Ten thousand new pictures in a catalogue of a million, at the default."""
    return _measured(10 * setup.images, 1000 * setup.images)


def _measured(new: int, count: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-near-") as folder:
        print(f"writing {count:,} vectors to {folder}", flush=True)
        store = Store(folder)
        _write(store, new, count)
        ran = process.run([sys.executable, "-c", WORKER], Path(folder))
        with tables.scratch() as db:
            store.register(db, TABLE, ["bench"])
            rows, found = db.execute(f"SELECT count(*), sum(found)::BIGINT FROM {TABLE}").fetchall()[0]
    if (rows, found) != (new, -(-new // COPIED)):
        raise RunFailed(f"{rows:,} pictures were compared and {found:,} near copies found; wrong")
    name = f"{new:,} new pictures against {count:,} x {WIDTH}"
    return [
        Figure(name, float(ran.output), "s", "exact; reading and writing the tables is in it", at_most=600),
        Figure("  its peak memory", ran.peak_bytes / 1e9, "GB", "the whole process", at_most=2),
    ]


def work() -> None:
    """Compare what is new in the store of this folder; prints the seconds."""
    store, begun = Store("."), time.perf_counter()
    with tables.connect() as db, Lease(store, "bench", "bench") as lease:
        store.register(db, "image_embedding", ["bench"])
        store.register(db, TABLE, ["bench"])
        db.execute("CREATE TABLE picture AS SELECT image_sha256 FROM image_embedding WHERE run_id = 'new'")
        missing = tables.arrow(db, sql("featurizing", "uncompared"))
        work = Comparison("compare", Placement(), "bench", "bench", 0.95, 1, store, lease.fence, ORIGIN)
        products = work.load()
        for shard in plan.shards(missing, "bench", SHARD):
            work.run(shard, products, lambda items: None)
    print(time.perf_counter() - begun)


def _write(store: Store, new: int, count: int) -> None:
    """Those numbered from `count - new` on are new; the others are as if they had been compared."""
    random = np.random.default_rng(0)
    copied = _unit(random.standard_normal((-(-new // COPIED), WIDTH), np.float32))
    for begin in range(0, count, PART):
        numbers = np.arange(begin, min(begin + PART, count))
        vectors = _unit(random.standard_normal((len(numbers), WIDTH), np.float32))
        for first in (0, count - new):  # the copies among the old ones, and what they are copies of
            step = 1 if first == 0 else COPIED
            which = (numbers - first) // step
            here = (numbers >= first) & ((numbers - first) % step == 0) & (which < len(copied))
            noise = random.standard_normal((int(here.sum()), WIDTH), np.float32)
            vectors[here] = _unit(copied[which[here]] + 0.05 / WIDTH**0.5 * noise)
        rows: dict[str, Any] = {
            "image_sha256": [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers],
            "model_key": ["bench"] * len(numbers),
            "embedding": vectors,
            "run_id": ["new" if number >= count - new else "old" for number in numbers],
            "code_version": ["bench"] * len(numbers),
            "computed_at": [datetime.now(UTC)] * len(numbers),
        }
        store.commit("image_embedding", "bench", f"{begin:032}", tables.rows("image_embedding", rows))


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    unit: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
