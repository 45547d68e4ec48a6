"""The analyst's door: `<store>/catalog.duckdb`, and the same as text in `<store>/catalog.sql`.

One view per table, named as the table, and readable ones on top of them (`sql/view_*.sql`). A view holds no rows: it
reads the parts when it is asked, and so shows what is committed at that moment. What is settled when the files are
written is only which tables have parts at all, and which models are current.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from featurize.errors import RunFailed
from featurize.storage import current, tables
from featurize.storage.lease import FOLDER
from featurize.storage.store import Store
from featurize.storage.tables import sql

TABLES = (
    "artwork",
    "image_embedding",
    "text_embedding",
    "image_tag",
    "near_picture",
    "description",
    "damage",
    "clip",
    "clip_description",
    "transcript",
    "sound_description",
    "quarantine",
    "model",
    "production",
    "run",
    "prompt",
    "rationale",
    "ranking",
    "choice",
    "label",
    "title_state",
    "impression_state",
    "policy_value",
    "recommendation_value",
    "item_vector",
    "member_vector",
)
TRAINING = ("labelled_prompt", "current_prompt", "played", "sft", "dpo", "training_left_out")
"""From prompts to what is trained on."""
READABLE = (
    "artwork_present",
    "clip_present",
    "run_phase",
    "runs",
    "artwork_tag",
    "described",
    "artwork_features",
    "feature_row",
    "feature_model",
    "quarantine_by_model",
    "coverage",
    "quarantine_open",
    "clip_features",
    "title",
    "impression",
    *TRAINING,
    "recipe",
    "lineage",
    "prompt_lineage",
    "ranked",
    "current_choice",
    "latest_policy_value",
    "latest_recommendation_value",
    "near_duplicate",
    "nearest_artwork",
    "similar_artwork",
    "nearest_description",
    "search_description",
    "similar_title",
)
"""In this order: later ones read earlier ones."""
SUPERSEDED = {
    "run": "QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY outcome = 'started', started_at DESC) = 1"
}
"""Which rows of a table its view shows, where later ones supersede others."""
LEASE = "lease"
DATABASE = "catalog.duckdb"
TEXT = "catalog.sql"


def refresh(store: Store) -> None:
    """Bring the two files up to date; when they are, nothing is written.

    They are replaced, so whoever has the old database open keeps it. A store on S3 gets the text alone: to make a view
    DuckDB opens the files, which on S3 takes an extension that it may not be able to fetch. Errors: RunFailed.
    """
    sections = _sections(store)
    # Another job may commit the first part of a table meanwhile, so look again after writing.
    while store.read(TEXT) != _whole(sections).encode() or (store.local and not store.exists(DATABASE)):
        if store.local:
            made = _database(store, *sections)
            # The log of someone who wrote into the old database: next to the new one it would keep that from opening.
            store.delete(f"{DATABASE}.wal")
            store.write(DATABASE, made, replace=True)
        store.write(TEXT, _whole(sections).encode(), replace=True)
        sections = _sections(store)


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """A private in-memory database with every view; S3 is read through Arrow. Writes nothing. Errors: RunFailed."""
    db = tables.connect()
    if store.local:
        _execute(db, store, *_sections(store))
    else:
        for name in TABLES:
            if name in SUPERSEDED:
                db.register(f"all_{name}", store.dataset(name))
                db.execute(f"CREATE VIEW {name} AS FROM all_{name} {SUPERSEDED[name]}")
            else:
                store.register(db, name)
        leases = [
            text.decode(errors="replace") for each in store.names(FOLDER) if (text := store.read(each)) is not None
        ]
        db.register("lease_file", pa.table({"content": pa.array(leases, pa.string())}))
        with _in_a_sentence(store):
            db.execute(f"{sql('storage', 'lease').replace('$files', 'lease_file')}; {_readable(store)}")
    return db


def script(store: Store) -> str:
    """The SQL that makes every view. It works from any folder, as text for the store where it was written.

    In the file `catalog.duckdb` the views read what lies beside that file, wherever it was moved or copied to.
    """
    return _whole(_sections(store))


def _sections(store: Store) -> tuple[str, str]:
    """Of `script`: the views of tables, and the readable ones."""
    header = f"-- Views of {store.uri}, written by its jobs. From a shell: duckdb -init <this file>"
    place = sql("storage", "place").replace("$written_for", _text(store.uri)).strip()
    files = f"read_text({_folder(store)}/{FOLDER}/*.json')"
    lease = sql("storage", "lease").replace("$files", files).strip()
    return "\n\n".join([header, place, *(_table(store, name) for name in TABLES), lease]), _readable(store)


def _whole(sections: tuple[str, str]) -> str:
    return "\n\n".join(sections) + "\n"


@cache
def _columns(name: str) -> tuple[tuple[str, str], ...]:
    """Names and types of a table's columns."""
    with tables.scratch() as db:
        tables.make(db, name)
        return tuple((column, kind) for column, kind, *_ in db.execute(f"DESCRIBE {name}").fetchall())


def _nothing(name: str) -> str:
    """What selects no rows with the columns of a table."""
    return ", ".join(f'NULL::{kind} AS "{column}"' for column, kind in _columns(name)) + " WHERE false"


def _table(store: Store, name: str) -> str:
    """The view of a table. Without a part it is an empty relation: read_parquet refuses a glob that finds nothing.

    It has the columns of the contract: one that came later is NULL in older parts, one that went is left out.
    """
    source = _nothing(name)
    if store.parts(name):
        columns = f"COLUMNS(lambda name: name IN ({', '.join(_text(column) for column, _ in _columns(name))}))"
        options = "hive_partitioning = false, union_by_name = true"
        parts = f"read_parquet({_folder(store)}/{name}/**/*.parquet', {options})"
        source += f"\nUNION ALL BY NAME SELECT {columns}\nFROM {parts}"
        source += " WHERE store_is_here()" if store.local else ""
        source += f"\n{SUPERSEDED[name]}" if name in SUPERSEDED else ""
    comments = [line for line in tables.contract(name).ddl.splitlines() if line.startswith("COMMENT ON")]
    return "\n".join([f"CREATE OR REPLACE VIEW {name} AS SELECT {source};", *comments])


def _folder(store: Store) -> str:
    """The store's folder for a glob, in which * ? and [ of its own path must stand for themselves; a text left open."""
    return "store_folder() || '" if store.local else _text(re.sub(r"([*?\[])", r"[\1]", store.uri))[:-1]


def _readable(store: Store) -> str:
    models = current.models(store)
    rows = ", ".join(f"({_text(name)}, {_text(each.model_key)}, '{each.because}')" for name, each in models.items())
    settled = f"""CREATE OR REPLACE VIEW current_model AS
FROM (VALUES {rows or "('', '', '')"}) AS model(feature, model_key, because) WHERE feature <> '';
COMMENT ON VIEW current_model IS 'What the readable views show: the model of each table of features, the recipe of each
kind of prompts; because it is pinned, or by coverage. Table production says since when';"""
    text = "\n\n".join([settled, *(sql("storage", f"view_{name}").strip() for name in READABLE)])
    keys = {name: models[name].model_key if name in models else "" for name in current.FEATURES}
    # As constants: DuckDB then skips the other models' parts by their statistics.
    for name, key in keys.items():
        text = text.replace(f"${name}", _text(key))
    return text.replace("$vector", _vector_type(store, keys["image_embedding"]))


def training(db: duckdb.DuckDBPyConnection, recipe_key: str) -> None:
    """The views of `TRAINING` in `db`, of one recipe, over its view `prompt`."""
    for name in TRAINING:
        text = sql("storage", f"view_{name}").replace("$logged_prompt", _text(recipe_key))
        db.execute(text.replace("$nightly_prompt", "''"))


def _text(value: str) -> str:
    """As a constant of SQL."""
    return "'" + value.replace("'", "''") + "'"


def _vector_type(store: Store, model_key: str) -> str:
    """FLOAT[n] of a model's vectors, which all have the same width; told by the footer of any of their parts.

    Errors: RunFailed.
    """
    if not model_key:
        return "FLOAT[]"
    part = store.parts("image_embedding", model_key)[0]
    try:
        rows = pq.ParquetFile(f"{store.path}/{part}", filesystem=store.fs).metadata.row_group(0)
    except pa.ArrowInvalid as error:  # which names no file
        raise RunFailed(f"{store.uri}/{part} cannot be read: {error}") from error
    columns = {
        rows.column(number).path_in_schema.split(".")[0]: rows.column(number) for number in range(rows.num_columns)
    }
    return f"FLOAT[{columns['embedding'].num_values // rows.num_rows}]"


def _database(store: Store, of_tables: str, readable: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.duckdb")  # not by its own name: it would look for the tables beside it
        with duckdb.connect(str(path)) as db:
            _execute(db, store, of_tables, readable)
        return path.read_bytes()


def _execute(db: duckdb.DuckDBPyConnection, store: Store, of_tables: str, readable: str) -> None:
    """Make the views, with one write to disk.

    A view is bound when it is made, through all that it reads and down to the files, whose footers are read each time.
    So the readable ones are made first, over views of the same columns without rows; those of tables then take their
    place.
    """
    with _in_a_sentence(store):
        without_rows = [f"CREATE VIEW {name} AS SELECT {_nothing(name)};" for name in TABLES]
        lease = sql("storage", "lease").replace("$files", "(SELECT NULL::VARCHAR AS content WHERE false) AS nothing")
        db.execute("\n".join(["BEGIN;", *without_rows, lease, readable, of_tables, "COMMIT"]))


@contextmanager
def _in_a_sentence(store: Store) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise RunFailed(f"the views of {store.uri} cannot be made: {error}") from error
