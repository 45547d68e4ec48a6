"""A few artworks and clips of the demo world with what models said of them beside what is drawn and spoken there."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from featurize.report import WIDTH
from featurize.storage import tables, views
from featurize.storage.store import Store

_INDENT = " " * 15


def beside_truth(store: Store, world: Path, description_key: str, count: int = 3) -> str:
    """Lines of text on `count` artworks spread over the world at `world`; empty when none of them is described."""
    drawn = pq.read_table(world / "truth/scene.parquet").to_pylist()
    uris = {row["artwork_id"]: row["uri"] for row in pq.read_table(world / "manifest.parquet").to_pylist()}
    chosen = {row["artwork_id"]: row for row in (drawn[len(drawn) * (2 * n + 1) // (2 * count)] for n in range(count))}
    with tables.scratch() as db:
        store.register(db, "artwork")
        store.register(db, "description", [description_key])
        said = tables.arrow(
            db,
            "SELECT DISTINCT ON (artwork_id) artwork_id, description.* EXCLUDE image_sha256 "
            "FROM artwork JOIN description USING (image_sha256) "
            "WHERE artwork_id IN (SELECT unnest($chosen)) ORDER BY artwork_id, seen_at DESC, status = 'ok' DESC",
            {"chosen": list(chosen)},
        ).to_pylist()
    lines = []
    for row in said:
        lines.append(f"  {row['artwork_id']}  {world / uris[row['artwork_id']]}")
        lines += _told("described", row) if row["status"] == "ok" else [f"    described: {row['raw_text']!r:.45}"]
        lines += _told("drawn", chosen[row["artwork_id"]])
    return "\n".join(lines)


def clips_beside_truth(store: Store, world: Path, count: int = 3) -> str:
    """Lines of text on `count` clips spread over the clip world at `world`, by the current models."""
    made = pq.read_table(world / "truth/clip.parquet").to_pylist()
    chosen = {row["clip_id"]: row for row in (made[len(made) * (2 * n + 1) // (2 * count)] for n in range(count))}
    with views.connect(store) as db:
        query = """SELECT clip_id, uri, description, transcript, sound FROM clip_features
            WHERE clip_id IN (SELECT unnest($chosen)) ORDER BY clip_id"""
        said = tables.arrow(db, query, {"chosen": list(chosen)}).to_pylist()
    lines = []
    for row in said:
        truth = chosen[row["clip_id"]]
        lines.append(f"  {row['clip_id']}  {row['uri']}")
        for who, words in (
            ("described", row["description"]),
            ("drawn", truth["caption"]),
            ("heard", row["transcript"]),
            ("spoken", truth["line"]),
            ("sounds", row["sound"]),
        ):
            lines += _wrapped(who, words or "(nothing)")
    return "\n".join(lines)


def _told(who: str, row: dict[str, Any]) -> list[str]:
    people = "person" if row["people_count"] == 1 else "people"
    facts = [
        f"{row['people_count']} {people}",
        row["mood"],
        row["setting"],
        row["composition"],
        f'"{row["text_on_artwork"]}"' if row["text_on_artwork"] else "no text",
        " and ".join(row["palette"]),
    ]
    if row.get("depicts"):
        facts.append(f"played by {' and '.join(row['depicts'])}")
    return _wrapped(who, row["caption"], ", ".join(facts))


def _wrapped(who: str, *texts: str) -> list[str]:
    told = [line for text in texts for line in textwrap.wrap(text, WIDTH - len(_INDENT))]
    return [f"{_INDENT}{line}" if number else f"{f'{who}:':>14} {line}" for number, line in enumerate(told)]
