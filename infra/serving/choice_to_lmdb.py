"""Load what a store chose into LMDB, a key-value store in a memory-mapped file, and look keys up.

    python infra/serving/choice_to_lmdb.py STORE FILE [--look-up 1000000]

Needs `pip install duckdb lmdb` and nothing of this project. A key is the bucket, member and title; a value is the
artwork, the runner-up, the propensity and the model key, as JSON. The newest row of a member and title counts. A folder
is named by the first digit of the keys of its rows, or `all` where a night had few of them, so they are appended, in
one pass and in the memory of a bucket. The file appears whole; a server opens it read-only, maps it, and opens the next
night's in its place.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import time
from pathlib import Path

import duckdb
import lmdb

ROWS = """
SELECT member_id, title_id, artwork_id, runner_up, propensity, model_key
FROM read_parquet($globs, union_by_name = true)
WHERE md5(member_id)[1] = $bucket
QUALIFY row_number() OVER (PARTITION BY member_id, title_id ORDER BY valid_from DESC, computed_at DESC, model_key) = 1
ORDER BY member_id, title_id
"""
BUCKETS = "0123456789abcdef"


def key(member_id: str, title_id: str) -> bytes:
    """What a row is found by."""
    bucket = hashlib.md5(member_id.encode()).hexdigest()[0]
    return f"{bucket}{member_id}\0{title_id}".encode()


def load(store: str, file: Path, most_bytes: int = 1 << 40) -> int:
    """Write the choices of a store to `file`; returns how many."""
    made = file.with_name(f".{file.name}.new")
    made.unlink(missing_ok=True)
    rows = 0
    # The size of the map is address space, not memory or disk.
    opened = lmdb.open(str(made), subdir=False, map_size=most_bytes, lock=False)
    with opened as database, duckdb.connect() as db:
        for bucket in BUCKETS:
            folders = [Path(store, "choice", name) for name in (bucket, "all")]
            globs = [f"{folder}/**/*.parquet" for folder in folders if any(folder.rglob("*.parquet"))]
            if not globs:
                continue
            with database.begin(write=True) as writing:
                reader = db.sql(ROWS, params={"globs": globs, "bucket": bucket}).to_arrow_reader(50_000)
                for batch in reader:
                    for member, title, *shown in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        writing.put(key(member, title), json.dumps(shown).encode(), append=True)
                    rows += batch.num_rows
    os.replace(made, file)
    return rows


def look_up(file: Path, count: int) -> float:
    """Look `count` keys up, drawn at random from those that are there; returns look-ups per second."""
    with lmdb.open(str(file), subdir=False, readonly=True, lock=False) as database, database.begin() as reading:
        keys = list(reading.cursor().iternext(values=False))
        wanted = random.Random(0).choices(keys, k=count)
        begun = time.perf_counter()
        found = sum(reading.get(each) is not None for each in wanted)
        seconds = time.perf_counter() - begun
    assert found == count
    return count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("file", type=Path)
    parser.add_argument("--look-up", type=int, default=0, metavar="KEYS")
    asked = parser.parse_args()
    begun = time.perf_counter()
    rows = load(asked.store, asked.file)
    seconds = time.perf_counter() - begun
    size = asked.file.stat().st_size / 1e6
    print(f"{rows:,} choices in {seconds:.1f} s, {size:,.0f} MB")
    if asked.look_up and rows:
        print(f"{look_up(asked.file, asked.look_up):,.0f} look-ups a second, in one thread")


if __name__ == "__main__":
    main()
