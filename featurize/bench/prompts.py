"""How long the prompts job takes, and how much memory, on a world as large as that of the paper and on a larger one.

The worlds are made by DuckDB, without pictures: history in the order of time, as logs are, with members at random.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from featurize import tables
from featurize.bench import process
from featurize.bench.figures import Figure, Setup
from featurize.store import Store
from featurize.tables import sql

HISTORY, IMPRESSIONS, MEMBERS = 20_000, 115, 50
"""For each image of the setup: at the default of 1,000, 115,000 prompts from 20 million rows, as in the paper."""
TITLES = 2000
TIMES = 10
"""How much larger the large world is."""
CAPTION = "A tense mystery full shot of detective {} in a city, with a magnifying glass and a fingerprint."


def paper(setup: Setup) -> list[Figure]:
    """The paper's world, and the same again with nothing new."""
    with tempfile.TemporaryDirectory(prefix="bench-prompts-") as folder:
        _write_world(Path(folder), setup.images)
        first, again = (_run(Path(folder), "3GB") for _ in range(2))
    what = f"{setup.images * IMPRESSIONS:,} prompts from {setup.images * HISTORY:,} history rows"
    return [
        Figure(what, first.seconds, "s", "the whole process", at_most=20),
        Figure("  its peak memory", first.peak_bytes / 1e9, "GB", at_most=4),
        Figure("  the same again, nothing new", again.seconds, "s"),
    ]


def large(setup: Setup) -> list[Figure]:
    """Whether an impression costs the same in a world too large for the memory. Takes minutes and 20 GB of disk."""
    costs = []
    for images, memory in ((setup.images, "3GB"), (setup.images * TIMES, "6GB")):
        with tempfile.TemporaryDirectory(prefix="bench-prompts-") as folder:
            _write_world(Path(folder), images)
            ran = _run(Path(folder), memory)
        costs.append(ran.seconds / images)
    what = f"{setup.images * TIMES * IMPRESSIONS:,} prompts from {setup.images * TIMES * HISTORY:,} history rows"
    return [
        Figure(what, ran.seconds, "s", "6 GB for DuckDB"),
        Figure("  its peak memory", ran.peak_bytes / 1e9, "GB"),
        Figure("  cost of one against the paper's world", costs[1] / costs[0], "", at_most=1.5),
    ]


def _run(root: Path, memory: str) -> process.Ran:
    names = {"titles": "title", "history": "history", "impressions": "impression"}
    settings = [f"input.{setting}={name}.parquet" for setting, name in names.items()]
    sets = [f"--set={setting}" for setting in (*settings, "store=store", f"prompts.memory={memory}")]
    return process.run([sys.executable, "-m", "jobs.prompts", *sets], root)


def _write_world(root: Path, images: int) -> None:
    sizes = {"members": images * MEMBERS, "titles": TITLES}
    print(f"writing {images * HISTORY:,} history rows to {root}", flush=True)
    with tables.connect() as db:
        for name, size in (("history", {"rows": images * HISTORY}), ("impression", {"impressions": images * IMPRESSIONS})):
            query = sql(f"bench_{name}").rstrip().removesuffix(";")
            db.execute(f"COPY ({query}) TO '{root}/{name}.parquet' (COMPRESSION zstd)", sizes | size)
    titles = [f"t{number:04}" for number in range(TITLES)]
    names = [f"The Case of {number}" for number in range(TITLES)]
    genres = [[f"genre {number % 11}", f"genre {number % 13}"] for number in range(TITLES)]
    pq.write_table(pa.table({"title_id": titles, "name": names, "genres": genres}), root / "title.parquet")
    _write_features(Store(str(root / "store")), titles)


def _write_features(store: Store, titles: list[str]) -> None:
    artworks = [(title, f"{title}-{k}") for number, title in enumerate(titles) for k in range(2 + number % 7)]
    shas = [hashlib.sha256(artwork.encode()).hexdigest() for _, artwork in artworks]
    origin = {"run_id": ["bench"] * len(shas), "code_version": ["bench"] * len(shas)}
    now = [datetime.now(UTC)] * len(shas)
    artwork = {
        "artwork_id": [artwork for _, artwork in artworks],
        "title_id": [title for title, _ in artworks],
        "uri": shas,
        "image_sha256": shas,
        "size": [1] * len(shas),
        "source": ["bench"] * len(shas),
        "present": [True] * len(shas),
        "seen_at": now,
    }
    description = {
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
    } | dict.fromkeys(("mood", "setting", "composition", "text_on_artwork"), ["in words"] * len(shas))
    store.commit("artwork", "", "bench", tables.rows("artwork", artwork | origin))
    store.commit("description", "bench", "bench", tables.rows("description", description | origin))
