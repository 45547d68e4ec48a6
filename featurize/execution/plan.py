"""What is missing, cut into shards. The ledger is the committed rows themselves, never the summary of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import duckdb
import pyarrow as pa

from featurize.images.decode import Limits
from featurize.storage import tables
from featurize.storage.store import Store, part_name
from featurize.storage.tables import sql


@dataclass(frozen=True, slots=True)
class Item:
    """One picture or text to compute: its key (SHA-256), the uri or the text itself, and how often it was tried."""

    key: str
    source: str
    attempts: int = 0


@dataclass(frozen=True)
class Shard:
    """The unit of work: items of one model. The id follows from what it computes, so a retry has the same one."""

    model_key: str
    items: tuple[Item, ...]

    @cached_property
    def id(self) -> str:
        return part_name([self.model_key, *(f"{item.key} {item.attempts}" for item in self.items)])

    def split(self, pieces: int = 8) -> list[Shard]:
        """The same items in up to `pieces` shards."""
        size = -(-len(self.items) // pieces)
        return [Shard(self.model_key, self.items[begin : begin + size]) for begin in range(0, len(self.items), size)]

    def without(self, keys: set[str]) -> Shard:
        """The items whose key is not among `keys`."""
        return Shard(self.model_key, tuple(item for item in self.items if item.key not in keys))


def missing_pictures(
    db: duckdb.DuckDBPyConnection,
    store: Store,
    table: str,
    model_key: str,
    decode_key: str,
    max_attempts: int,
    retry_failed: bool = False,
    wanted: str = "FROM picture",
) -> pa.Table:
    """Pictures of table `wanted` in `db` that `table` has no row of: key, source (uri), attempts; most wanted first.

    With `retry_failed`, which is for descriptions, also those with only rows that say that it failed.
    """
    db.register("feature_rows", store.dataset(table, [model_key]))
    key = tables.contract(table).key[0]
    db.execute(f"CREATE OR REPLACE TEMP VIEW features AS SELECT * RENAME ({key} AS image_sha256) FROM feature_rows")
    db.execute(f"CREATE OR REPLACE TEMP VIEW wanted AS {wanted}")
    db.execute("CREATE OR REPLACE TEMP TABLE failed (image_sha256 VARCHAR, tries INTEGER)")
    if retry_failed:
        db.execute(sql("execution", "failed"), {"max_attempts": max_attempts})
    store.register(db, "quarantine", [model_key, decode_key])
    parameters = {"model_key": model_key, "decode_key": decode_key, "max_attempts": max_attempts}
    found = tables.arrow(db, sql("execution", "missing"), parameters)
    db.execute("DROP VIEW features")
    db.unregister("feature_rows")
    return found


def missing_texts(
    db: duckdb.DuckDBPyConnection, store: Store, texts: str, model_key: str, max_attempts: int | None
) -> pa.Table:
    """Texts of query `texts` without an embedding of this model: key, source (the text), attempts.

    Those that were refused are left out, or tried again up to `max_attempts`; always where that is None.
    """
    store.register(db, "text_embedding", [model_key])
    store.register(db, "quarantine", [model_key])
    db.execute(f"CREATE OR REPLACE TEMP VIEW wanted AS {texts}")
    return tables.arrow(db, sql("execution", "missing_texts"), {"max_attempts": max_attempts})


def shards(missing: pa.Table, model_key: str, size: int) -> Iterator[Shard]:
    """Shards of nearly equal length, at most `size`, made as they are asked for."""
    count = -(-missing.num_rows // size)
    for number in range(count):
        begin, end = (missing.num_rows * n // count for n in (number, number + 1))
        rows = missing.slice(begin, end - begin).to_pylist()
        yield Shard(model_key, tuple(Item(row["key"], row["source"], row["attempts"]) for row in rows))


def decoder(limits: Limits) -> dict[str, object]:
    """The decoder's fingerprint: under other limits, or as a version that decodes more, it has another key, and what it
    refused before is tried again."""
    return {"backend": "decode", "version": 2, "max_bytes": limits.max_bytes, "max_pixels": limits.max_pixels}
