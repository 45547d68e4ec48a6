"""Members dealt into buckets, each of which is a shard: a worker words its prompts, by the same SQL.

The job asks the questions. What hangs on their members goes by bucket to a folder of the store that is no table,
and the histories, read once, with it. In a first round workers count what they hold, so that all is accounted for
before anything is committed; in a second one they recall and word. The rows are the same in any number of buckets. They
lie in other parts, since a part has the prompts of one bucket and day.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Literal

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from featurize.errors import BadImage, RunFailed
from featurize.execution.plan import Item, Shard
from featurize.execution.run import Advance, Outcome
from featurize.execution.watch import Watch, here
from featurize.inference.extractor import Placement
from featurize.metrics import memory
from featurize.prompting import macros, scratch
from featurize.prompting.wording import Wording
from featurize.storage import tables
from featurize.storage.store import Store, patiently
from featurize.storage.tables import Origin, sql

FOLDER = "_buckets"
ALL = ("title", "genre", "title_genre", "person", "title_cast", "depicted", "place")
"""Tables that each worker has whole: they are of titles and words."""
OF_MEMBERS = {
    "member": "SELECT * REPLACE (member AS member_id) FROM member",
    "question": "SELECT q.* REPLACE (q.member AS member_id), member_no FROM question q JOIN member USING (member_id)",
    "choice": "SELECT choice.*, member_no FROM choice JOIN question USING (question_no) JOIN member USING (member_id)",
    "logged_before": "SELECT logged_before.*, member_no FROM logged_before JOIN member USING (member)",
    "found_event": "FROM found_event",
}
"""What hangs on a member, and so goes to its bucket; nothing in it leads back from a pseudonym."""
_HOW_MANY = pa.schema([("bucket", pa.int32())])


@dataclass(frozen=True)
class Counted:
    """What a bucket holds: rows of history used, those that are there already with the first in words, and of whom."""

    used: int
    repeated: list[tuple[int, str]]
    members: pa.Array


@dataclass(frozen=True)
class Bucket:
    """The `Work` of one round over buckets. Picklable."""

    unit: ClassVar[str] = "bucket"

    name: str
    round: Literal["count", "word"]
    settings: Placement
    cpus: int
    wording: Wording
    computed_at: datetime

    @property
    def store(self) -> Store:
        return self.wording.store

    @property
    def origin(self) -> Origin:
        return self.wording.origin

    def load(self) -> _Nothing:
        return _Nothing()

    def run(self, shard: Shard, model: _Nothing, advance: Advance) -> Outcome:
        """Count a bucket, or commit its prompts. Errors: RunFailed."""
        watch, before = Watch(), self.store.written
        outcome = Outcome(shard, worker=here())
        with self._opened(shard.items[0].source) as db:
            _sort(db)
            if self.round == "count":
                outcome.found = _count(db, self.wording.wanted.member_key_env is None)
            else:
                _distinct(db)
                self.wording.recall(db)
                outcome.found = self.wording.write(db, self.computed_at, watch.spent, lambda prompts: None)
                outcome.done = len(outcome.found)
        advance(1)
        outcome.spent = watch.stop(self.store.written - before)
        outcome.spent.model_s, outcome.spent.wait_s = outcome.spent.wait_s, 0.0
        outcome.memory = memory()
        return outcome

    def committed(self, shard: Shard) -> tuple[Outcome, Shard]:
        """All is left to do: a part that is there is not written again."""
        return Outcome(shard), shard

    def blame(self, shard: Shard, error: BadImage) -> Outcome:
        """Errors: RunFailed, for there is no bucket to do without."""
        raise RunFailed(
            f"no worker survives bucket {shard.items[0].source} of {self.wording.wanted.buckets} ({error.detail}): give"
            " prompts.buckets more, so that each has fewer members"
        )

    @contextmanager
    def _opened(self, bucket: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database with the tables of a bucket. Errors: RunFailed where memory, disk or storage fail."""
        folder, db = scratch.Folder(), tables.connect()
        try:
            place = str(folder.path).replace("'", "''")
            db.execute(f"SET temp_directory = '{place}'; SET threads = {self.cpus}; {sql('prompting', 'macros')}")
            for statement in macros.statements(self.wording.template):
                db.execute(statement)
            db.execute(f"SET memory_limit = '{self.wording.wanted.memory}'")
            for name in ALL:
                _load(db, self.store, name, "")
            for name in OF_MEMBERS:
                _load(db, self.store, name, bucket)
            db.execute(sql("prompting", "numbered_anew"))
            yield db
        except duckdb.OutOfMemoryException as error:
            why = str(error).splitlines()[0]
            raise RunFailed(
                f"bucket {bucket} needs more than prompts.memory = {self.wording.wanted.memory} ({why}): give"
                " prompts.buckets more, so that each has fewer members"
            ) from error
        except duckdb.IOException as error:
            raise RunFailed(f"reading bucket {bucket} or writing temporary files: {error}") from error
        finally:
            db.close()
            folder.remove()


def shards(count: int, recipe_key: str) -> Iterator[Shard]:
    """A shard for each bucket."""
    for number in range(count):
        yield Shard(recipe_key, (Item(str(number), str(number)),))


class Unread(Exception):
    """What was to be dealt could not be read to its end, with DuckDB's words for it."""


def deal(db: duckdb.DuckDBPyConnection, store: Store, count: int) -> None:
    """Write what workers need, by bucket where it hangs on a member; for the holder of the lease.

    Errors: RunFailed, Unread.
    """
    clear(store)
    for name in ALL:
        rows = tables.arrow(db, f"FROM {name}")
        _put(store, f"{name}/schema.parquet", rows.schema.empty_table())
        _put(store, f"{name}/all.parquet", rows)
    db.execute(_BUCKETS, {"buckets": count})
    for name, query in OF_MEMBERS.items():
        dealt = f"SELECT dealt.*, bucket FROM ({query}) dealt JOIN bucket_of_member USING (member_no)"
        reader = db.sql(dealt).to_arrow_reader(READ_ROWS)
        schema = reader.schema.remove(reader.schema.get_field_index("bucket"))
        _put(store, f"{name}/schema.parquet", schema.empty_table())
        try:
            ds.write_dataset(
                _batches(reader),
                f"{store.path}/{FOLDER}/{name}",
                filesystem=store.fs,
                format="parquet",
                schema=reader.schema,
                partitioning=ds.partitioning(_HOW_MANY),
                existing_data_behavior="overwrite_or_ignore",
                max_partitions=count,
                max_open_files=OPEN_FILES,
                min_rows_per_group=GROUP_ROWS,
                max_rows_per_group=GROUP_ROWS,
            )
        except OSError as error:
            raise RunFailed(f"cannot write {store.uri}/{FOLDER}/{name}: {error}") from error


def clear(store: Store) -> None:
    """Remove what was dealt. Errors: RunFailed."""
    path = f"{store.path}/{FOLDER}"
    if store.fs.get_file_info(path).type == pafs.FileType.Directory:
        patiently(f"deleting {store.uri}/{FOLDER}", partial(store.fs.delete_dir, path))


READ_ROWS = 131_072
OPEN_FILES = 512
GROUP_ROWS = 16_384
"""Rows of history that are held for each bucket before they are written."""


_BUCKETS = """CREATE OR REPLACE TEMP TABLE bucket_of_member AS
    SELECT member_no, bucket_of(member, $buckets) AS bucket FROM member"""


class _Nothing:
    """The model of work that needs none."""

    def close(self) -> None:
        pass


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (OSError, pa.ArrowException) as error:
        raise Unread(str(error)) from error


def _put(store: Store, name: str, rows: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    store.write(f"{FOLDER}/{name}", sink.getvalue(), replace=True)


def _load(db: duckdb.DuckDBPyConnection, store: Store, name: str, bucket: str) -> None:
    folder = f"{store.path}/{FOLDER}/{name}"
    selector = pafs.FileSelector(f"{folder}/{bucket}".rstrip("/"), allow_not_found=True)
    infos = patiently(f"listing {folder}", lambda: store.fs.get_file_info(selector))
    files = [f"{folder}/schema.parquet"] + [
        info.path for info in infos if info.type == pafs.FileType.File and info.base_name != "schema.parquet"
    ]
    db.register("dealt", ds.dataset(files, filesystem=store.fs, format="parquet"))
    columns = "* EXCLUDE (member_no)" if bucket and name in ("question", "choice", "logged_before") else "*"
    db.execute(f"CREATE TEMP TABLE {name} AS SELECT {columns} FROM dealt")
    db.unregister("dealt")


def _sort(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(sql("prompting", "events"))
    db.execute("DROP TABLE found_event")
    db.execute(sql("prompting", "marked_events"))


def _distinct(db: duckdb.DuckDBPyConnection) -> None:
    if tables.scalar(db, "SELECT EXISTS (FROM marked_event WHERE again)"):
        db.execute(sql("prompting", "distinct_events"))


def _count(db: duckdb.DuckDBPyConnection, names_members: bool) -> Counted:
    repeated = db.execute(sql("prompting", "repeated"), {"members": names_members}).fetchall()
    _distinct(db)
    used: Any = tables.scalar(db, "SELECT count(*) FROM event")
    return Counted(
        used, repeated, tables.arrow(db, "SELECT DISTINCT member_no FROM event")["member_no"].combine_chunks()
    )
