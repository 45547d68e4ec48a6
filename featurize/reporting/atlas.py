"""A store as one table for embedding-atlas: of each artwork a thumbnail, words, its place on the map, its neighbours.

The steps of the job: choose artworks, look at their vectors, draw, write. Nothing of the store is changed.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from featurize.config import Settings
from featurize.errors import RefusedInput, RunFailed
from featurize.report import shown, wrapped
from featurize.reporting import nearness
from featurize.reporting.miniatures import Thumbnails
from featurize.reporting.sheet import picture, sampled
from featurize.storage import tables, views
from featurize.storage.store import Store, address
from featurize.storage.tables import sql

NEIGHBOURS = 12
BLOCK = 1024
"""Rows whose products with all others are held at once."""
NEIGHBOUR = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float64()))])
FLAGS = ("--x=x", "--y=y", "--neighbors=neighbors", "--image=image", "--text=caption")
"""What embedding-atlas has to know of the columns."""
STARTER = Path(sys.prefix, "atlas", "bin", "embedding-atlas")
"""Where the Makefile installs it."""


class Atlas:
    """One table. Errors of every method: RefusedInput, RunFailed."""

    def __init__(self, settings: Settings, dry_run: bool) -> None:
        self.settings, self.dry_run = settings, dry_run
        self.store = Store(settings.store)
        self.file = Path(address(settings.report.atlas))
        if self.file.suffix != ".parquet":
            raise RefusedInput(f"report.atlas: {settings.report.atlas} does not end in .parquet")
        if not self.store.has_parts("artwork"):
            raise RefusedInput(f"{self.store.uri} has no artwork: run `make featurize` first")

    def look(self) -> None:
        """Take at most `report.artworks` artworks with embeddings, in whole titles, and find what is near to each."""
        with self.store.reading(), views.connect(self.store) as db:
            self.left_out = sampled(db, self.settings.report.artworks)
            self.without = tables.scalar(db, "SELECT count(*) FROM shown_artwork")
            found = tables.arrow(db, sql("reporting", "atlas"))
            places = nearness.places(db)
        self.without -= found.num_rows
        if found.num_rows < nearness.FEWEST:
            raise RefusedInput(
                f"{self.store.uri} has {found.num_rows} artworks with embeddings, and a map is made of "
                f"{nearness.FEWEST} or more: run `make featurize` first"
            )
        self.rows = found.drop_columns(["tags", "embedding"]).to_pylist()
        vectors = np.asarray(found["embedding"].combine_chunks().flatten(), np.float32).reshape(found.num_rows, -1)
        ids, distances = neighbours(vectors)
        for row, tags, near, far in zip(self.rows, found["tags"].to_pylist(), ids, distances, strict=True):
            row |= {f"tag {tag['attribute']}": tag["label"] for tag in tags or ()}
            row["x"], row["y"] = places[row["artwork_id"]]
            row["neighbors"] = {"ids": near.tolist(), "distances": far.tolist()}

    def draw(self) -> None:
        """A thumbnail of each, as far as there is time and room."""
        made = Thumbnails(self.settings, len(self.rows), form="JPEG")
        made.add(picture(row) for row in self.rows)
        self.missing = len({row["image_sha256"] for row in self.rows}) - len(made.data)
        for row in self.rows:
            number = made.place.get(row["image_sha256"])
            row["image"] = None if number is None else {"bytes": base64.b64decode(made.data[number])}
            for name in ("image_sha256", "uri", "width", "height"):
                del row[name]

    def write(self) -> None:
        """Put the table in its place."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        types = {"image": pa.struct([("bytes", pa.binary())]), "neighbors": NEIGHBOUR, "people_count": pa.int64()}
        types |= {"x": pa.float64(), "y": pa.float64()}
        columns = [pa.array([row.get(name) for row in self.rows], types.get(name, pa.string())) for name in names]
        if self.dry_run:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns, names=names), self.file)
        except OSError as error:
            raise RunFailed(f"report.atlas: {self.file} cannot be written: {error}") from error

    def summary(self) -> str:
        """What is in the table, and what is not."""
        where = f"not written (dry run): {shown(str(self.file))}" if self.dry_run else shown(str(self.file))
        told = [where, f"  {len(self.rows):,} artworks"]
        if self.left_out:
            told.append(wrapped(f"note: it has at most {self.settings.report.artworks:,} (report.artworks)"))
        if self.without:
            told.append(wrapped(f"note: {self.without:,} artworks have no embedding and are left out"))
        if self.missing:
            told.append(wrapped(f"note: {self.missing:,} pictures have no thumbnail"))
        return "\n".join(told)

    def start(self) -> int:
        """Run embedding-atlas on the table until somebody ends it; returns its exit code."""
        command = [str(STARTER), str(self.file), *FLAGS]
        if not STARTER.exists():
            raise RunFailed(
                f"embedding-atlas is not installed here; elsewhere: embedding-atlas {' '.join(command[1:])}"
            )
        try:
            return subprocess.call(command)
        except KeyboardInterrupt:  # as it tells people to end it
            return 0


def neighbours(vectors: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Of unit vectors (n, width): the numbers of the nearest others and their cosine distances, nearest first."""
    count = min(NEIGHBOURS, len(vectors) - 1)
    ids = np.empty((len(vectors), count), np.int64)
    distances = np.empty((len(vectors), count))
    for begin in range(0, len(vectors), BLOCK):
        cosines = vectors[begin : begin + BLOCK] @ vectors.T
        own = np.arange(len(cosines))
        cosines[own, begin + own] = -np.inf
        near = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        ids[begin : begin + BLOCK] = near
        distances[begin : begin + BLOCK] = 1 - np.take_along_axis(cosines, near, axis=1)
    return ids, distances.clip(0)
