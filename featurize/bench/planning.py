"""How soon a run knows that there is nothing to do: a dry run over a large catalogue, and a whole run over the demo.

Both start the job itself as a process, on files that are there and a store that has everything. The large store is
written here, not computed: its parts hold the keys that planning reads, in parts of the size a run leaves.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurize import config
from featurize.bench import process
from featurize.bench.figures import Figure, Setup
from featurize.config import Settings
from featurize.errors import RunFailed
from featurize.execution import phases
from featurize.featurizing import near_duplicates, tags
from featurize.inference.extractor import model_key
from featurize.storage import tables

ROWS_PER_IMAGE = 1000
"""Manifest rows for each image of the setup: a million at the default."""
BACKFILL_SHARD = 2048
PER_FOLDER = 1000
PER_ARTWORK_PART = 100_000
"""About what a run hashes between two commits."""
JOB = [sys.executable, "-m", "jobs.featurize"]


def dry_run(setup: Setup) -> list[Figure]:
    """Seconds and peak memory of `--dry-run` when every file is known and every model has seen every picture."""
    count = setup.images * ROWS_PER_IMAGE
    with tempfile.TemporaryDirectory(prefix="bench-planning-") as folder:
        root = Path(folder)
        print(f"linking {count:,} files and writing a store that knows them in {root}", flush=True)
        modified = _link(root, count)
        shas = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
        _write_manifest(root, count)
        _write_store(root, shas, modified, config.load("local"))
        sets = ("--set", "input.artwork=manifest.parquet", "--set", "store=store")
        ran = process.run([sys.executable, "-X", "importtime", *JOB[1:], "--dry-run", *sets], root)
        _remove(root)
    heavy = sorted({"torch", "transformers", "open_clip", "ray"} & _imported(ran.errors))
    if not _nothing_new(ran.output, count):
        raise RunFailed(f"planning found work to do where there is none:\n{ran.output}")
    return [
        Figure(f"--dry-run, {count:,} rows, nothing new", ran.seconds, "s", "the whole process", at_most=30),
        Figure("  its peak memory", ran.peak_bytes / 1e9, "GB", at_most=2),
        Figure("  heavy packages imported", len(heavy), "", ", ".join(heavy), at_most=0),
    ]


def backfill(setup: Setup) -> list[Figure]:
    """The same of ten times as many, every other one embedded and none described; and what there is to do."""
    count = setup.images * ROWS_PER_IMAGE * 10
    settings = config.load("local", [f"run.shard_images={BACKFILL_SHARD}"])
    assert settings.embed is not None
    with tempfile.TemporaryDirectory(prefix="bench-backfill-") as folder:
        root = Path(folder)
        print(f"linking {count:,} files and writing a store that knows them in {root}", flush=True)
        modified = _link(root, count)
        shas = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
        _write_manifest(root, count)
        _write_artwork(root, shas, modified)
        image_key = model_key(phases.fingerprint_of(settings.embed))
        half = sorted(shas[::2])
        for number, begin in enumerate(range(0, len(half), BACKFILL_SHARD)):
            _write_part(
                root, "image_embedding", image_key, number, {"image_sha256": half[begin : begin + BACKFILL_SHARD]}
            )
        del shas, half
        sets = ("input.artwork=manifest.parquet", "store=store", f"run.shard_images={BACKFILL_SHARD}")
        ran = process.run([*JOB, "--dry-run", *(flag for each in sets for flag in ("--set", each))], root)
        _remove(root)
    words = ran.output.replace(",", "").split()
    new = {phase: int(words[words.index(phase) + 1]) for phase in ("embed", "describe") if phase in words}
    if new != {"embed": count // 2, "describe": count}:
        raise RunFailed(f"planning found {new} where {count // 2:,} and {count:,} are to do:\n{ran.output}")
    shards = sum(-(-each // BACKFILL_SHARD) for each in new.values())
    return [
        Figure(f"--dry-run, {count:,} rows, {sum(new.values()):,} to do", ran.seconds, "s", "the whole process"),
        Figure("  its peak memory", ran.peak_bytes / 1e9, "GB"),
        Figure("  shards to compute", shards, "", f"of {BACKFILL_SHARD:,} pictures"),
        Figure("  requests for pictures", sum(new.values()), "", "on object storage; those for parts are few beside"),
    ]


def no_op(setup: Setup) -> list[Figure]:
    """Seconds of the whole job on the demo catalogue when an earlier run has done everything."""
    with tempfile.TemporaryDirectory(prefix="bench-no-op-") as folder:
        print("running the demo catalogue once, to run it again", flush=True)
        process.run([*JOB, "--set", "run.executor=local"], Path(folder))
        ran = process.run(JOB, Path(folder))
    return [Figure("a run on the demo catalogue, nothing new", ran.seconds, "s", "the whole process", at_most=15)]


def _imported(errors: str) -> set[str]:
    """Modules that `python -X importtime` names: the last column of its lines."""
    return {line.rpartition("|")[2].strip() for line in errors.splitlines() if line.startswith("import time:")}


def _nothing_new(output: str, count: int) -> bool:
    return f"artworks found {count:,}, files read 0, new or changed 0, removed 0" in " ".join(output.split())


def _place(number: int) -> str:
    return f"{number // PER_FOLDER:04}/{number % PER_FOLDER:03}.jpg"


def _link(root: Path, count: int) -> list[int]:
    """One file a folder and hard links to it, as links are quickest to make; returns mtime in µs for each folder."""

    def fill(first: int) -> int:
        folder = (root / _place(first)).parent
        folder.mkdir()
        source = root / _place(first)
        source.write_bytes(b"\xff\xd8")
        there = os.open(folder, os.O_RDONLY)
        for number in range(first + 1, min(first + PER_FOLDER, count)):
            os.link(source.name, Path(_place(number)).name, src_dir_fd=there, dst_dir_fd=there)
        os.close(there)
        return source.stat().st_mtime_ns // 1000

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(fill, range(0, count, PER_FOLDER)))


def _remove(root: Path) -> None:
    """The links, from several threads; the rest goes with the temporary folder."""

    def empty(folder: Path) -> None:
        for name in os.listdir(folder):
            os.unlink(folder / name)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(empty, (path for path in root.iterdir() if path.is_dir() and path.name.isdigit())))


def _write_manifest(root: Path, count: int) -> None:
    uris = [_place(number) for number in range(count)]
    columns = {"artwork_id": uris, "title_id": [uri[:4] for uri in uris], "uri": uris}
    pq.write_table(pa.table(columns), root / "manifest.parquet")


def _write_store(root: Path, shas: list[str], modified: list[int], settings: Settings) -> None:
    assert settings.embed is not None
    assert settings.describe is not None
    _write_artwork(root, shas, modified)
    image_key = model_key(phases.fingerprint_of(settings.embed))
    text_model = phases.text_settings(settings.embed)
    assert text_model is not None
    text_key = model_key(phases.fingerprint_of(text_model))
    labels = tags.load_labels(settings.labels)
    tag_key = model_key(tags.fingerprint(labels, image_key, text_key))
    texts = [hashlib.sha256(text.encode()).hexdigest() for text in labels.texts]
    _write_part(root, "text_embedding", text_key, 0, {"text_sha256": texts, "text": labels.texts})

    assert settings.near_duplicate is not None
    near_key = model_key(near_duplicates.fingerprint(image_key, settings.near_duplicate))
    names = [(attribute, label) for attribute, of_it in labels.attributes.items() for label in of_it]
    size = settings.run.shard_images
    ordered = pa.array(sorted(shas))
    for number, begin in enumerate(range(0, len(shas), size)):
        part = {"image_sha256": ordered[begin : begin + size]}
        _write_part(root, "image_embedding", image_key, number, part)
        _write_part(root, "near_picture", near_key, number, part)
        _write_part(root, "description", model_key(phases.fingerprint_of(settings.describe)), number, part)
    for number, begin in enumerate(range(0, len(shas), tags.BATCH)):
        some = ordered[begin : begin + tags.BATCH]
        rows = np.arange(len(some) * len(names), dtype=np.int32)
        columns = {
            "image_sha256": pa.DictionaryArray.from_arrays(rows // len(names), some),
            "attribute": pa.DictionaryArray.from_arrays(rows % len(names), [attribute for attribute, _ in names]),
            "label": pa.DictionaryArray.from_arrays(rows % len(names), [label for _, label in names]),
        }
        _write_part(root, "image_tag", tag_key, number, columns)


def _write_artwork(root: Path, shas: list[str], modified: list[int]) -> None:
    now = datetime.now(UTC)
    for begin in range(0, len(shas), PER_ARTWORK_PART):
        numbers = range(begin, min(begin + PER_ARTWORK_PART, len(shas)))
        length = len(numbers)
        places = [_place(number) for number in numbers]
        columns = {
            "artwork_id": places,
            "title_id": [place[:4] for place in places],
            "uri": [f"{root}/{place}" for place in places],
            "image_sha256": shas[begin : begin + length],
            "size": [2] * length,
            "modified": [modified[number // PER_FOLDER] for number in numbers],
            "format": ["png"] * length,
            "source": [f"{root}/manifest.parquet"] * length,
            "present": [True] * length,
            "seen_at": [now] * length,
            "run_id": ["bench"] * length,
            "code_version": ["bench"] * length,
        }
        _write_part(root, "artwork", "", begin, columns)


def _write_part(root: Path, table: str, key: str, number: int, columns: Mapping[str, Any]) -> None:
    """Columns that are not given are empty, as nothing reads them here."""
    schema = tables.contract(table).schema
    length = len(next(iter(columns.values())))
    given = dict(columns)
    if "model_key" in schema.names:
        given["model_key"] = [key] * length
    arrays = [
        given[field.name]
        if isinstance(given.get(field.name), pa.DictionaryArray)
        else pa.array(given[field.name], field.type)
        if field.name in given
        else pa.nulls(length, field.type)
        for field in schema
    ]
    path = root / "store" / table / key / f"{number:032}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays, schema.names), path, compression="zstd", row_group_size=16384, store_schema=False)
