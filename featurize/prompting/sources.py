"""The big files a user gives (history, impressions, pairs), scanned by DuckDB and never loaded whole.

Invariant: a view made here has the columns and types of its contract, and its times had a zone in the file. What a
single row holds is not judged here: a value that cannot be read as its type is NULL.
"""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from featurize.errors import RefusedInput
from featurize.intake.inputs import SUFFIXES, ZONED
from featurize.storage import tables
from featurize.storage.store import filesystem, patiently


def view(db: duckdb.DuckDBPyConnection, name: str, uri: str) -> None:
    """Make view `name`, of the contract of that name, over a file, a folder of Parquet files, or a local pattern.

    Errors: RefusedInput naming the file and the column that is missing or of another type.
    """
    contract = tables.contract(name)
    source = _source(db, contract, uri)
    try:
        there = {column: kind for column, kind, *_ in db.execute(f"DESCRIBE FROM {source}").fetchall()}
    except duckdb.Error as error:
        raise RefusedInput(f"{uri}: cannot be read ({str(error).splitlines()[0]})") from error
    missing = [column for column in contract.schema.names if column in contract.required and column not in there]
    if missing:
        raise RefusedInput(f"{uri}: column {', '.join(missing)} is missing; it has {', '.join(there)}")
    with tables.scratch() as empty:
        tables.make(empty, name)
        wanted = {column: kind for column, kind, *_ in empty.execute(f"DESCRIBE {name}").fetchall()}
    selected = [
        f'TRY_CAST("{column}" AS {kind}) AS "{column}"' if column in there else f'NULL::{kind} AS "{column}"'
        for column, kind in wanted.items()
    ]
    for column, kind in wanted.items():
        if kind == "TIMESTAMP WITH TIME ZONE" and column in there:
            _refuse_naive(db, uri, source, column, there[column])
    db.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {', '.join(selected)} FROM {source}")


def _refuse_naive(db: duckdb.DuckDBPyConnection, uri: str, source: str, column: str, kind: str) -> None:
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        return
    if kind != "VARCHAR":
        raise RefusedInput(f"{uri}: column {column} has times without a zone ({kind}); give them as UTC")
    bad = db.execute(
        f"""SELECT "{column}" FROM {source} WHERE "{column}" <> '' AND NOT regexp_matches("{column}", ?) LIMIT 1""",
        [ZONED],
    ).fetchall()
    if bad:
        raise RefusedInput(f"{uri}: {column} '{bad[0][0]}' is not a time with a zone, such as 2026-01-31T12:00:00Z")


def _source(db: duckdb.DuckDBPyConnection, contract: tables.Contract, uri: str) -> str:
    """What to select from: Parquet on disk is read by DuckDB itself, all else through Arrow."""
    fs, path = filesystem(uri)
    local = isinstance(fs, pafs.LocalFileSystem)
    if local and "*" in path:
        return _parquet(path)
    info = patiently(f"looking at {uri}", lambda: fs.get_file_info(path))
    if info.type == pafs.FileType.NotFound:
        raise RefusedInput(f"{uri}: there is no such file")
    folder = info.type == pafs.FileType.Directory
    if local and (folder or path.endswith(".parquet")):
        itself = re.sub(r"([*?\[])", r"[\1]", path)
        return _parquet(f"{itself}/**/*.parquet" if folder else itself)
    if not folder and not path.endswith(SUFFIXES):
        raise RefusedInput(f"{uri}: a file must end in {', '.join(SUFFIXES)}")
    try:
        db.register(f"{contract.name}_file", _dataset(contract, path, fs))
    except (pa.ArrowInvalid, OSError) as error:
        raise RefusedInput(f"{uri}: cannot be read ({error})") from error
    return f"{contract.name}_file"


def _parquet(pattern: str) -> str:
    return "read_parquet('" + pattern.replace("'", "''") + "', hive_partitioning = false)"


def _dataset(contract: tables.Contract, path: str, fs: pafs.FileSystem) -> ds.Dataset:
    """Text stays text until its zone is checked, and in CSV all is text."""
    if path.endswith(".csv"):
        texts = dict.fromkeys(contract.schema.names, pa.string())
        return ds.dataset(
            path, format=ds.CsvFileFormat(convert_options=pacsv.ConvertOptions(column_types=texts)), filesystem=fs
        )
    if not path.endswith((".jsonl", ".ndjson")):
        return ds.dataset(path, format="parquet", filesystem=fs)
    found = ds.dataset(path, format="json", filesystem=fs)
    there = [field for field in contract.schema if field.name in found.schema.names]
    kinds = [(field.name, pa.string() if pa.types.is_timestamp(field.type) else field.type) for field in there]
    return ds.dataset(path, schema=pa.schema(kinds), format="json", filesystem=fs)
