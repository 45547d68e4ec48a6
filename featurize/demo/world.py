"""Writes a demo world to a folder.

    artwork/<title_id>/<n>.<jpg|png|webp>    the pictures
    manifest.parquet, title.parquet          the catalogue, in the input contracts of `schemas/`
    history.parquet, impression.parquet      what members did and were shown
    truth/scene.parquet                      what each picture shows, in the fields of `description`
    truth/reward.parquet                     the expected reward of every candidate of every impression

Invariant: `world.json` says `"complete": true` only when everything else is in place. It is written first as false, and
replaced at the end; each table appears whole under its name, `manifest.parquet` after the pictures it names.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from featurize.demo.impressions import IMPRESSION, TRUE_REWARD, log
from featurize.demo.members import BATCH, HISTORY, Seen, history_batch
from featurize.demo.processes import leave_with_parent
from featurize.demo.render import render
from featurize.demo.scenes import describe
from featurize.demo.titles import Artwork, Title, titles
from featurize.errors import RefusedInput
from featurize.report import Progress, shown, wrapped

VERSION = 2
"""Raised whenever the same size and seed would give other files."""
FOLDERS = ("artwork", "clip", "still", "ears", "truth")
"""Of all worlds; removed where one is written anew."""


@dataclass(frozen=True)
class Size:
    titles: int
    members: int
    history_rows: int
    """Mean per member."""
    impressions: int


SIZES: dict[str, Size] = {
    "small": Size(titles=60, members=500, history_rows=40, impressions=3_000),
    "paper": Size(titles=2_000, members=50_000, history_rows=410, impressions=115_000),
}


def write_world(folder: Path, size: Literal["small", "paper"] = "small", seed: int = 0) -> None:
    """Make `folder` hold the world of this size and seed; does nothing when it already does.

    Errors: RefusedInput when the folder holds something else than a demo world.
    """

    def make(place: Path) -> None:
        catalogue = list(titles(SIZES[size].titles, seed))
        draw(place, [artwork for title in catalogue for artwork in title.artworks])
        write_tables(place, catalogue, SIZES[size], seed)

    write_whole(Path(folder), {"version": VERSION, "size": size, "seed": seed}, make)


def write_whole(folder: Path, stamp: dict[str, Any], make: Callable[[Path], None]) -> None:
    """Make `folder` hold what `make` writes there, unless its world.json says that it does. Errors: RefusedInput."""
    marker = folder / "world.json"
    if is_whole(folder, stamp):
        return
    found = _stamp(folder)
    if found.get("complete") and found["version"] != stamp["version"]:
        old = f"{shown(str(folder))} holds version {found['version']} of the demo world"
        print(wrapped(f"{old}; it is written anew as version {stamp['version']}", "", ""), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(marker, json.dumps({**stamp, "complete": False}))
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in folder.glob("*.parquet*"):
        path.unlink()
    make(folder)
    _write_text(marker, json.dumps({**stamp, "complete": True}))


def is_whole(folder: Path, stamp: dict[str, Any]) -> bool:
    """Whether world.json says so. Errors: RefusedInput when the folder holds something else."""
    return _stamp(folder) == {**stamp, "complete": True}


def is_complete(folder: Path, size: str) -> bool:
    """Whether `folder` holds a whole world of this version and size."""
    found = _stamp(folder)
    return bool(found.get("complete")) and (found["version"], found["size"]) == (VERSION, size)


def table(path: Path) -> pa.Table:
    """A table of a world. Errors: RefusedInput naming the file."""
    try:
        return pq.ParquetFile(path).read()
    except FileNotFoundError:
        problem = "is missing"
    except (OSError, pa.ArrowException) as error:
        problem = f"cannot be read ({error})"
    raise RefusedInput(f"{path} {problem}: delete {path.parents[path.parent.name == 'truth']} and make its world again")


def _stamp(folder: Path) -> dict[str, Any]:
    """What world.json says; empty where there is no folder, or nothing in it."""
    marker = folder / "world.json"
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if folder.exists() and any(folder.iterdir()):
            raise RefusedInput(
                f"{folder} is not empty and holds no world.json: the demo world needs a folder of its own"
            ) from None
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"version", "size", "seed", "complete"} <= found.keys():
        raise RefusedInput(f"{marker} is not that of a demo world, which needs a folder of its own")
    return found


def write_tables(folder: Path, catalogue: list[Title], amounts: Size, seed: int) -> None:
    """Everything of a world but its pictures."""
    (folder / "truth").mkdir(exist_ok=True)
    artworks = [artwork for title in catalogue for artwork in title.artworks]
    write_table(folder / "truth/scene.parquet", _SCENE, [_scene_table(artworks)])
    _write_members(folder, amounts, catalogue, seed)
    write_table(folder / "title.parquet", TITLE, [title_table(catalogue)])
    write_table(folder / "manifest.parquet", MANIFEST, [_manifest_table(artworks)])


def draw(folder: Path, artworks: list[Artwork]) -> None:
    """Render every artwork to its uri below `folder`, over all processors."""
    for title_id in dict.fromkeys(artwork.title_id for artwork in artworks):
        (folder / "artwork" / title_id).mkdir(parents=True, exist_ok=True)
    over_all_processors(partial(_draw_one, folder), artworks, "picture")


def over_all_processors(make: Callable[[Any], None], things: Sequence[Any], unit: str) -> None:
    """Call `make` on each; it and they are pickled."""
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 32)
    if workers == 1:
        for thing in things:
            make(thing)
        return
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, mp_context=spawn, initializer=leave_with_parent) as pool,
        Progress("render", len(things), unit) as progress,
    ):
        for _ in pool.map(make, things, chunksize=8):
            progress.advance(1)


_ENCODING: dict[str, dict[str, Any]] = {
    ".jpg": {"format": "JPEG", "quality": 90},
    ".png": {"format": "PNG", "compress_level": 1},
    ".webp": {"format": "WEBP", "quality": 86, "method": 0},
}


def _draw_one(folder: Path, artwork: Artwork) -> None:
    path = folder / artwork.uri
    render(artwork.scene).save(path, **_ENCODING[path.suffix])


def _write_members(folder: Path, amounts: Size, catalogue: list[Title], seed: int) -> None:
    """history, impression and the true rewards. Only one batch of members is in memory at a time."""

    def history() -> Iterator[pa.Table]:
        seen = []
        with Progress("simulate", amounts.members, "member") as progress:
            for batch in range((amounts.members + BATCH - 1) // BATCH):
                size = min(BATCH, amounts.members - batch * BATCH)
                table, plays = history_batch(batch, size, amounts.history_rows, catalogue, seed)
                seen.append(plays)
                yield table
                progress.advance(size)
        impressions, rewards, plays_after = log(amounts.impressions, Seen.together(seen), catalogue, seed)
        write_table(folder / "truth/reward.parquet", TRUE_REWARD, [rewards])
        write_table(folder / "impression.parquet", IMPRESSION, [impressions])
        yield plays_after

    write_table(folder / "history.parquet", HISTORY, history())


TITLE = pa.schema(
    [
        pa.field("title_id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        ("year", pa.int32()),
        ("genres", pa.list_(pa.string())),
        ("synopsis", pa.string()),
        ("cast", pa.list_(pa.string())),
    ]
)
MANIFEST = pa.schema(
    [
        pa.field("artwork_id", pa.string(), nullable=False),
        pa.field("title_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        ("kind", pa.string()),
        ("priority", pa.float64()),
        ("depicts", pa.list_(pa.string())),
        ("maturity", pa.int32()),
    ]
)
_SCENE = pa.schema(
    [
        pa.field("artwork_id", pa.string(), nullable=False),
        ("subjects", pa.list_(pa.string())),
        ("people_count", pa.int32()),
        ("mood", pa.string()),
        ("setting", pa.string()),
        ("composition", pa.string()),
        ("text_on_artwork", pa.string()),
        ("palette", pa.list_(pa.string())),
        ("theme", pa.string()),
        ("caption", pa.string()),
        ("depicts", pa.list_(pa.string())),
    ]
)


def title_table(catalogue: list[Title]) -> pa.Table:
    rows = [
        {
            "title_id": title.title_id,
            "name": title.name,
            "year": title.year,
            "genres": list(title.themes),
            "synopsis": title.synopsis,
            "cast": [actor.name for actor in title.cast],
        }
        for title in catalogue
    ]
    return pa.Table.from_pylist(rows, schema=TITLE)


def _manifest_table(artworks: list[Artwork]) -> pa.Table:
    rows = [
        {
            "artwork_id": artwork.artwork_id,
            "title_id": artwork.title_id,
            "uri": artwork.uri,
            "kind": artwork.scene.kind,
            "priority": artwork.priority,
            "depicts": list(artwork.scene.depicts),
            "maturity": artwork.maturity,
        }
        for artwork in artworks
    ]
    return pa.Table.from_pylist(rows, schema=MANIFEST)


def _scene_table(artworks: list[Artwork]) -> pa.Table:
    rows = [
        {"artwork_id": artwork.artwork_id, **describe(artwork.scene), "depicts": list(artwork.scene.depicts)}
        for artwork in artworks
    ]
    return pa.Table.from_pylist(rows, schema=_SCENE)


def write_table(path: Path, schema: pa.Schema, chunks: Iterable[pa.Table]) -> None:
    """One row group per chunk; the file appears under its name when it is whole."""
    partial = path.with_name(path.name + ".partial")
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for chunk in chunks:
            writer.write_table(chunk)
    os.replace(partial, path)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text + "\n")
    os.replace(partial, path)
