"""How long the prompts job takes, and how much memory, on a world as large as that of the paper and on a larger one.

The worlds are made by DuckDB, without pictures: history in the order of time, as logs are, with members at random.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from featurize.bench import process
from featurize.bench.figures import Figure, Setup
from featurize.storage import tables
from featurize.storage.store import Store
from featurize.storage.tables import sql

HISTORY, IMPRESSIONS = 20_000, 115
"""For each image of the setup: at the default of 1,000, 115,000 prompts from 20 million rows, as in the paper."""
LARGE = (10, 2_000_000 / 115_000)
"""Times as much history, and as many impressions, in the large world."""
DEALT = (100_000, 250)
"""History rows and impressions for each image of the setup where they go by bucket to workers."""
BUCKETS = 40
PER_MEMBER = 400
"""History rows."""
TITLES = 2000
ACTORS, CAST = 300, 4
CAPTION = "A tense mystery full shot of detective {} in a city, with a magnifying glass and a fingerprint."


def paper(setup: Setup) -> list[Figure]:
    """The paper's world but for its last day, then with that day, then with nothing new."""
    history, impressions = setup.images * HISTORY, setup.images * IMPRESSIONS
    with tempfile.TemporaryDirectory(prefix="bench-prompts-") as folder:
        _write_world(Path(folder), history, impressions)
        first = _run(Path(folder), "impression/past.parquet", "3GB")
        night, again = (_run(Path(folder), "impression", "3GB") for _ in range(2))
    return [
        Figure(f"{impressions:,} prompts", first.seconds, "s", f"from {history:,} rows; the whole process", at_most=20),
        Figure("  its peak memory", first.peak_bytes / 1e9, "GB", at_most=4),
        Figure("  one more day of impressions", night.seconds, "s", "a sixtieth more"),
        Figure("  nothing new", again.seconds, "s"),
    ]


def large(setup: Setup) -> list[Figure]:
    """Whether a prompt costs the same in a world that is too large for the memory. Takes minutes and 20 GB of disk."""
    costs = []
    for more_history, more_impressions, memory in ((1, 1, "3GB"), (*LARGE, "6GB")):
        history, impressions = (
            setup.images * HISTORY * more_history,
            int(setup.images * IMPRESSIONS * more_impressions),
        )
        with tempfile.TemporaryDirectory(prefix="bench-prompts-") as folder:
            _write_world(Path(folder), history, impressions)
            ran = _run(Path(folder), "impression", memory)
        costs.append(ran.seconds / impressions)
    return [
        Figure(f"{impressions:,} prompts", ran.seconds, "s", f"from {history:,} rows, with 6 GB for DuckDB"),
        Figure("  peak memory", ran.peak_bytes / 1e9, "GB"),
        Figure("  cost of one against the paper's world", costs[1] / costs[0], "", at_most=1.5),
    ]


def dealt(setup: Setup) -> list[Figure]:
    """A world dealt into buckets, on Ray with a worker a CPU. Takes minutes and 3 GB of disk."""
    history, impressions = (setup.images * each for each in DEALT)
    with tempfile.TemporaryDirectory(prefix="bench-prompts-") as name:
        folder = Path(name)
        _write_world(folder, history, impressions)
        on_ray = ("run.executor=ray", "prompts.cpus=1", f"prompts.buckets={BUCKETS}", "run.metrics_file=metrics.prom")
        ran = _run(folder, "impression", "1GB", *on_ray)
        told = (folder / "metrics.prom").read_text(encoding="utf-8")
    note = f"from {history:,} rows in {BUCKETS} buckets, with 1 GB for DuckDB; the whole process"
    peak = max(float(value) for value in re.findall(r"^artwork_worker_memory_bytes\S* (\S+)$", told, re.MULTILINE))
    return [
        Figure(f"{impressions:,} prompts on Ray", ran.seconds, "s", note),
        Figure("  peak memory of the process that leads", ran.peak_bytes / 1e9, "GB", at_most=2),
        Figure("  peak memory of a worker", peak / 1e9, "GB", at_most=2),
    ]


def _run(root: Path, impressions: str, memory: str, *more: str) -> process.Ran:
    inputs = (f"input.impressions={impressions}", "input.history=history.parquet", "input.titles=title.parquet", *more)
    sets = [f"--set={setting}" for setting in (*inputs, "store=store", f"prompts.memory={memory}")]
    return process.run([sys.executable, "-m", "jobs.prompts", *sets], root)


def _write_world(root: Path, history: int, impressions: int) -> None:
    print(f"writing {history:,} history rows to {root}", flush=True)
    (root / "impression").mkdir(parents=True)
    sizes = {"members": history // PER_MEMBER, "titles": TITLES}
    shown = sizes | {"impressions": impressions}
    with tables.connect() as db:
        _copy(db, "history", root / "history.parquet", sizes | {"rows": history})
        _copy(db, "impression", root / "impression/past.parquet", shown | {"first": 0, "last": 58})
        _copy(db, "impression", root / "impression/last.parquet", shown | {"first": 59, "last": 59})
    titles = [f"t{number:04}" for number in range(TITLES)]
    names = [f"The Case of {number}" for number in range(TITLES)]
    genres = [[f"genre {number % 11}", f"genre {number % 13}"] for number in range(TITLES)]
    cast = [_cast(number) for number in range(TITLES)]
    columns = {"title_id": titles, "name": names, "genres": genres, "cast": cast}
    pq.write_table(pa.table(columns), root / "title.parquet")
    _write_features(Store(str(root / "store")), titles)


def _cast(title: int) -> list[str]:
    return [f"Actor {(title * 7 + turn * (turn + 31)) % ACTORS}" for turn in range(CAST)]


def _copy(db: duckdb.DuckDBPyConnection, query: str, path: Path, parameters: dict[str, int]) -> None:
    text = sql("bench", query).rstrip().removesuffix(";")
    db.execute(f"COPY ({text}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)", parameters)


def _write_features(store: Store, titles: list[str]) -> None:
    artworks = [(title, f"{title}-{k}") for number, title in enumerate(titles) for k in range(2 + number % 7)]
    shas = [hashlib.sha256(artwork.encode()).hexdigest() for _, artwork in artworks]
    origin = {"run_id": ["bench"] * len(shas), "code_version": ["bench"] * len(shas)}
    now = [datetime.now(UTC)] * len(shas)
    artwork: dict[str, list[Any]] = {
        "artwork_id": [artwork for _, artwork in artworks],
        "title_id": [title for title, _ in artworks],
        "uri": shas,
        "image_sha256": shas,
        "size": [1] * len(shas),
        "source": ["bench"] * len(shas),
        "present": [True] * len(shas),
        "seen_at": now,
        "depicts": [_cast(int(title[1:]))[:2] for title, _ in artworks],
    }
    description: dict[str, list[Any]] = {
        "image_sha256": shas,
        "model_key": ["bench"] * len(shas),
        "caption": [CAPTION.format(number) for number in range(len(shas))],
        "people_count": [1] * len(shas),
        "raw_text": [""] * len(shas),
        "status": ["ok"] * len(shas),
        "finish_reason": ["stop"] * len(shas),
        "prompt_tokens": [0] * len(shas),
        "output_tokens": [0] * len(shas),
        "computed_at": now,
    }
    words = dict.fromkeys(("mood", "setting", "composition", "text_on_artwork"), ["in words"] * len(shas))
    store.commit("artwork", "", "bench", tables.rows("artwork", artwork | origin))
    store.commit("description", "bench", "bench", tables.rows("description", description | words | origin))
