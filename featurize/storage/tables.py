"""The tables: `schemas/<name>.sql` is the contract, and every row passes it before it is written.

The DDL is executed by DuckDB, so types, keys, NOT NULL and CHECK mean exactly what they say there. No column is ever
inferred from data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from featurize.errors import RunFailed


@dataclass(frozen=True)
class Contract:
    """A table's DDL, its Arrow schema (times are UTC microseconds), its key and its CHECKs by column."""

    name: str
    ddl: str
    schema: pa.Schema
    key: tuple[str, ...]
    required: frozenset[str]
    checks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Origin:
    """What every row carries about where it came from."""

    run_id: str
    code_version: str

    def columns(self, length: int) -> dict[str, list[str]]:
        return {"run_id": [self.run_id] * length, "code_version": [self.code_version] * length}


def sql(room: str, name: str) -> str:
    """The text of `featurize/<room>/sql/<name>.sql`."""
    return resources.files("featurize").joinpath(room, "sql", f"{name}.sql").read_text(encoding="utf-8")


def connect() -> duckdb.DuckDBPyConnection:
    """A private in-memory DuckDB that neither prints nor reaches for the network."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "TimeZone": "UTC"})
    connection.execute("SET enable_progress_bar = false")
    return connection


@cache
def _shared() -> duckdb.DuckDBPyConnection:
    return connect()


def scratch() -> duckdb.DuckDBPyConnection:
    """A connection for a few small queries on Arrow tables: what it registers and its TEMP tables go when it closes.

    All of a process share one DuckDB, since to start one takes 30 ms.
    """
    return _shared().cursor()


def make(db: duckdb.DuckDBPyConnection, name: str) -> None:
    """An empty TEMP table with the columns and constraints of the contract."""
    db.execute(_temporary(contract(name).ddl))


def _temporary(ddl: str) -> str:
    """Without the comments, which take DuckDB several times as long as the table."""
    lines = (line for line in ddl.splitlines() if not line.startswith("COMMENT ON"))
    return "\n".join(lines).replace("CREATE TABLE", "CREATE TEMP TABLE", 1)


def scalar(db: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The single value of a query; None when it has no row."""
    found = db.execute(query, parameters).fetchall()
    return found[0][0] if found else None


def arrow(db: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
    """The rows of a query as an Arrow table."""
    return db.sql(query, params=dict(parameters or {})).to_arrow_table()


@cache
def contract(name: str) -> Contract:
    """The contract of `schemas/<name>.sql`."""
    ddl = resources.files("schemas").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    with scratch() as db:
        db.execute(_temporary(ddl))
        schema = db.table(name).to_arrow_table().schema
        constraints = db.execute(
            "SELECT constraint_type, constraint_column_names, expression FROM duckdb_constraints()"
            " WHERE table_name = $1",
            [name],
        ).fetchall()
    key = next(tuple(columns) for kind, columns, _ in constraints if kind == "PRIMARY KEY")
    not_null = {column for kind, columns, _ in constraints if kind == "NOT NULL" for column in columns}
    checks = tuple((columns[0], rule) for kind, columns, rule in constraints if kind == "CHECK")
    return Contract(name, ddl, schema, key, frozenset(not_null | set(key)), checks)


def rows(name: str, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> pa.Table:
    """Columns to a table of the contract, checked. A float32 matrix becomes a fixed-size list.

    A column that is not given is NULL. Errors: RunFailed when a row breaks the contract, which is a fault of a model
    or of this project and never of a picture.
    """
    schema = contract(name).schema
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise RunFailed(f"table {name} has no column {', '.join(sorted(unknown))}")
    length = len(next(iter(columns.values())))
    arrays, fields = [], []
    for field in schema:
        values = columns.get(field.name)
        if values is None:
            array = pa.nulls(length, field.type)
        elif isinstance(values, np.ndarray) and values.ndim == 2:
            array = pa.FixedSizeListArray.from_arrays(
                pa.array(np.ascontiguousarray(values, np.float32).reshape(-1)), values.shape[1]
            )
        else:
            try:
                array = pa.array(values, field.type)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise RunFailed(f"table {name}, column {field.name}: {error}") from error
        arrays.append(array)
        fields.append(pa.field(field.name, array.type, nullable=field.nullable))
    table = pa.table(arrays, schema=pa.schema(fields))
    check(name, table)
    return table


def check(name: str, table: pa.Table) -> None:
    """Errors: RunFailed naming the constraint that a row of `table` breaks."""
    with scratch() as db:
        make(db, name)
        db.register("incoming", table)
        try:
            db.execute(f"INSERT INTO {name} BY NAME SELECT * FROM incoming")
        except (duckdb.ConstraintException, duckdb.ConversionException) as error:
            raise RunFailed(f"rows for table {name} break its contract: {error}") from error


def empty(name: str) -> pa.Table:
    """No rows, the contract's columns."""
    return contract(name).schema.empty_table()
