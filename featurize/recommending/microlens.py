"""MicroLens-100K's files as the tables that jobs read: title.parquet and history.parquet. Ships no data.

`*_pairs.csv` has user, item and the time in milliseconds since 1970, after a line of names; `*_title*.csv` an item and
its title a line, in which commas are not quoted: what follows the first one is the title. Its terms forbid to pass on
modified copies, so keep what comes out to yourself. Invariant: every line is taken, or refused with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from featurize.errors import RefusedInput
from featurize.storage import tables

_PAIRS = re.compile(r"\s*([^,]+?)\s*,\s*([^,]+?)\s*,\s*(\d+)(?:\.0*)?\s*")
_TITLE = re.compile(r"\s*([^,]+?)\s*,(.*)", re.DOTALL)
EARLIEST, LATEST = 10**11, 10**13
"""Milliseconds between which a time must be: of 1973 and of 2286. Seconds and microseconds lie outside."""


def convert(source: Path, target: Path) -> str:
    """Write the two tables to the folder `target`; returns what to tell. Errors: RefusedInput."""
    pairs, titles = _file(source, "*_pairs.csv"), _file(source, "*_title*.csv")
    names: dict[str, str] = {}
    for number, line in _lines(titles):
        found = _TITLE.fullmatch(line)
        if found is None or not found[2].strip():
            raise RefusedInput(f"{titles}, line {number}: an item and its title are wanted, and there is '{line[:80]}'")
        if number == 1 and found[1] in ("item", "item_id", "itemID"):
            continue
        if found[1] in names:
            raise RefusedInput(f"{titles}, line {number}: item '{found[1]}' is there already")
        names[found[1]] = found[2].strip().strip('"').replace('""', '"')
    members, items, moments = [], [], []
    for number, line in _lines(pairs):
        found = _PAIRS.fullmatch(line)
        if found is None and number == 1:
            continue
        if found is None or not EARLIEST <= int(found[3]) < LATEST:
            wanted = "user, item and a time in milliseconds are wanted"
            raise RefusedInput(f"{pairs}, line {number}: {wanted}, and there is '{line[:80]}'")
        members.append(found[1])
        items.append(found[2])
        moments.append(datetime.fromtimestamp(int(found[3]) / 1000, UTC))
    untold = sorted(set(items) - names.keys())
    if len(untold) == len(set(items)):
        raise RefusedInput(f"no item of {pairs} has a title in {titles}")
    _write(target / "title.parquet", "title", {"title_id": list(names), "name": list(names.values())})
    events = ["play"] * len(items)
    plays: dict[str, Sequence[object]] = {"member_id": members, "title_id": items, "event": events, "at": moments}
    _write(target / "history.parquet", "history", plays)
    told = f"{target} holds {len(names):,} titles and {len(items):,} plays of {len(set(members)):,} members"
    return told + (f"; {len(untold):,} items have no title, such as '{untold[0]}'" if untold else "")


def _file(source: Path, pattern: str) -> Path:
    found = sorted(source.glob(pattern))
    if len(found) != 1:
        there = ", ".join(each.name for each in found) or "none"
        raise RefusedInput(f"{source}: one file {pattern} is wanted, and there is {there}")
    return found[0]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Those that are not blank, with their numbers."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedInput(f"{file} cannot be read: {error}") from error


def _write(place: Path, name: str, columns: Mapping[str, Sequence[object]]) -> None:
    schema = tables.contract(name).schema
    rows = pa.table(
        {field.name: pa.array(columns[field.name], field.type) for field in schema if field.name in columns}
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        hidden = place.with_name(f".{place.name}.tmp")
        pq.write_table(rows, hidden, compression="zstd")
        hidden.replace(place)
    except OSError as error:
        raise RefusedInput(f"{place} cannot be written: {error}") from error
