"""Pictures that look nearly the same, from stored embeddings: no picture is read, and there is no index to keep.

A picture that is new is compared with every embedding of its model in the store, exactly: products in float32, in
blocks that bound the memory whatever the store holds. So a pair stands in the row of whichever picture was compared
later. Embeddings of artworks that are gone are compared with too, for an artwork may come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from featurize.errors import BadImage, RunFailed
from featurize.execution.plan import Shard
from featurize.execution.run import Advance, Outcome, hold_threads
from featurize.execution.watch import Watch, here
from featurize.inference.extractor import Placement
from featurize.inference.torch_device import inference, open_device
from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store
from featurize.storage.tables import Origin

TABLE = "near_picture"
SHARD = 16_384
"""New pictures that are compared while the embeddings of the store are read once."""
BLOCK = 8_192
"""Embeddings of the store in one product, and at once in memory."""
TILE = 2_048
"""New pictures in one product: a tile of cosines is 64 MB."""
MOST = 100
"""A row names so many, the nearest: a frame that a thousand artworks share would make a million pairs."""

Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.bytes_]


def fingerprint(image_key: str, min_cosine: float) -> dict[str, Any]:
    """Identity of a comparison: of which embeddings, and from which cosine on a pair is kept."""
    return {"backend": "near_duplicates", "version": 1, "image": image_key, "min_cosine": min_cosine}


@dataclass(frozen=True)
class Comparison:
    """The `Work` of comparing pictures with all embeddings of their model. Picklable."""

    unit: ClassVar[str] = "picture"

    name: str
    settings: Placement
    image_key: str
    model_key: str
    min_cosine: float
    cpus: int
    store: Store
    fence: Fence
    origin: Origin

    def load(self) -> Products:
        """Errors: RefusedInput when a GPU is asked for and there is none."""
        hold_threads(self.cpus)
        return Products(self.settings.device, self.min_cosine)

    def run(self, shard: Shard, products: Products, advance: Advance) -> Outcome:
        """Compare the pictures of a shard and commit their rows as one part. Errors: RunFailed."""
        watch, before = Watch(), self.store.written
        keys, vectors = self._new(shard)
        products.begin(keys, vectors)
        total = self._embeddings().count_rows()
        read = done = 0
        for others, block in self._blocks():
            with watch.on_model():
                products.compare(others, block)
            read += len(others)
            finished = len(keys) * read // max(read, total)
            advance(finished - done)
            done = finished
        advance(len(keys) - done)
        near, cosines, found = products.end()
        rows: dict[str, Any] = {
            "image_sha256": keys.astype(str).astype(object),
            "model_key": [self.model_key] * len(keys),
            "near": near,
            "cosines": cosines,
            "found": found,
            **self.origin.columns(len(keys)),
            "computed_at": [datetime.now(UTC)] * len(keys),
        }
        with watch.on("write_s"):
            self.store.commit(TABLE, self.model_key, shard.id, tables.rows(TABLE, rows), check=self.fence.check)
        return Outcome(shard, len(keys), spent=watch.stop(self.store.written - before), worker=here())

    def committed(self, shard: Shard) -> tuple[Outcome, Shard]:
        """All of a shard or nothing: it is one part."""
        data = self.store.part(TABLE, self.model_key, shard.id)
        done = [] if data is None else pq.read_table(pa.BufferReader(data), columns=["image_sha256"])[0].to_pylist()
        return Outcome(shard, len(done)), shard.without(set(done))

    def blame(self, shard: Shard, error: BadImage) -> Outcome:
        """No picture is to blame for this. Errors: RunFailed, always."""
        raise RunFailed(
            f"phase '{self.name}': {error.detail}, although one picture is compared at a time: is memory short, or the "
            "storage?"
        )

    def _new(self, shard: Shard) -> tuple[Texts, Floats]:
        """SHA-256 and vectors of the shard's pictures, one of each, in its order."""
        wanted = np.array([item.key.encode() for item in shard.items])
        vectors: Floats | None = None
        there = np.zeros(len(wanted), bool)
        for shas, block in self._blocks(pa.array([item.key for item in shard.items])):
            vectors = np.zeros((len(wanted), block.shape[1]), np.float32) if vectors is None else vectors
            places = np.searchsorted(wanted, shas)  # the keys of a shard are sorted
            vectors[places], there[places] = block, True
        if vectors is None or not there.all():
            lost = wanted[~there][0].decode()
            raise RunFailed(f"the embedding of picture {lost} is no longer where the run was planned; run it again")
        return wanted, vectors

    def _embeddings(self) -> ds.Dataset:
        return self.store.dataset("image_embedding", [self.image_key])

    def _blocks(self, keys: pa.Array | None = None) -> Iterator[tuple[Texts, Floats]]:
        """SHA-256 and vectors of all embeddings of the model, or of those of some pictures."""
        some = None if keys is None else ds.field("image_sha256").isin(keys)
        columns = ["image_sha256", "embedding"]
        batches = self._embeddings().to_batches(
            columns=columns, filter=some, batch_size=BLOCK, batch_readahead=4, fragment_readahead=2
        )
        for batch in _joined(batches):
            shas = np.array(batch["image_sha256"].to_pylist(), dtype="S64")
            values = batch["embedding"].combine_chunks().flatten().to_numpy()
            yield shas, np.ascontiguousarray(values.reshape(len(shas), -1), np.float32)


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Parts may be small; a product should not be."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        if sum(each.num_rows for each in waiting) + batch.num_rows > BLOCK and waiting:
            yield pa.Table.from_batches(waiting)
            waiting = []
        if batch.num_rows:
            waiting.append(batch)
    if waiting:
        yield pa.Table.from_batches(waiting)


class Products:
    """Cosines of some pictures with blocks of others, of which those from `min_cosine` on are kept."""

    def __init__(self, device: Literal["cpu", "cuda"], min_cosine: float) -> None:
        """Errors: RefusedInput when there is no GPU."""
        self._min_cosine = min_cosine
        self._device = open_device(device, None) if device == "cuda" else None

    def begin(self, keys: Texts, vectors: Floats) -> None:
        """The pictures to compare: SHA-256, and unit-norm vectors of shape (n, d)."""
        self._keys = keys
        self._tiles = [self._placed(vectors[begin : begin + TILE]) for begin in range(0, len(keys), TILE)]
        self._found = np.zeros(len(keys), np.int64)
        self._rows, self._others = np.empty(0, np.int64), np.empty(0, "S64")
        self._cosines = np.empty(0, np.float32)
        self._kept = 0

    def compare(self, others: Texts, block: Floats) -> None:
        """With some more: SHA-256, and unit-norm vectors of shape (m, d)."""
        placed = self._placed(block)
        for number, tile in enumerate(self._tiles):
            rows, columns, cosines = self._near(tile, placed)
            rows += number * TILE
            names = others[columns]
            apart = names != self._keys[rows]
            rows, names, cosines = rows[apart], names[apart], cosines[apart]
            if len(rows):
                self._found += np.bincount(rows, minlength=len(self._keys))
                self._rows = np.concatenate([self._rows, rows])
                self._others = np.concatenate([self._others, names])
                self._cosines = np.concatenate([self._cosines, cosines])
                if len(self._rows) > 2 * max(self._kept, MOST * TILE):
                    self._prune()

    def end(self) -> tuple[list[list[str]], list[list[float]], npt.NDArray[np.int64]]:
        """Of each picture: SHA-256 and cosines of the nearest, nearest first, and how many there were."""
        self._prune()
        bounds = np.cumsum(np.bincount(self._rows, minlength=len(self._keys)))[:-1]
        near = [each.astype(str).tolist() for each in np.split(self._others, bounds)]
        cosines = [each.tolist() for each in np.split(np.minimum(self._cosines, 1), bounds)]
        return near, cosines, self._found

    def close(self) -> None:
        self._tiles = []

    def _placed(self, vectors: Floats) -> Any:
        if self._device is None:
            return vectors
        import torch

        return torch.from_numpy(vectors).to(self._device)

    def _near(self, tile: Any, block: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
        """Rows, columns and cosines. In full float32 on a GPU too, where torch does not round unless it is told to."""
        if self._device is None:
            cosines = tile @ block.T
            rows, columns = np.nonzero(cosines >= self._min_cosine)
            return rows, columns, cosines[rows, columns]
        with inference():
            cosines = tile @ block.T
            rows, columns = (cosines >= self._min_cosine).nonzero(as_tuple=True)
            kept = cosines[rows, columns]
            return rows.cpu().numpy(), columns.cpu().numpy(), kept.cpu().numpy()

    def _prune(self) -> None:
        """Keep the nearest of each picture, each once, in this order."""
        begins = self._others.view(">u8")[::8]  # 16 hex digits settle a tie, and are sorted ten times as fast
        order = np.lexsort((begins, -self._cosines, self._rows))
        rows, others = self._rows[order], self._others[order]
        # A picture that has two rows of one embedding has the same cosine twice.
        first = np.ones(len(rows), bool)
        first[1:] = (rows[1:] != rows[:-1]) | (others[1:] != others[:-1])
        order = order[first]
        rows = self._rows[order]
        ranks = np.arange(len(rows)) - np.searchsorted(rows, rows)
        order = order[ranks < MOST]
        self._rows, self._others, self._cosines = self._rows[order], self._others[order], self._cosines[order]
        self._kept = len(order)
