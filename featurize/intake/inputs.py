"""Files a user gives: CSV, JSON lines or Parquet to rows that satisfy an input contract, or one sentence why not.

The sentence names the file and the line (of Parquet, the row). Columns outside the contract are ignored.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from featurize.errors import RefusedInput
from featurize.storage import tables
from featurize.storage.store import read_file

ZONED = r"\d\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|z|UTC|[+-]\d\d(:?\d\d)?)\s*$"
"""The end of a time that says its zone."""
SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet")


def read(name: str, uri: str) -> pa.Table:
    """Rows of contract `name` (`manifest`, `title`) from the file at `uri`, plus `line`: where each row stands.

    Times must carry a zone. Errors: RefusedInput with file and line, or file and column.
    """
    data = _bytes(uri)
    contract = tables.contract(name)
    raw = _parse(contract, uri, data)
    there = raw.schema.names
    missing = [column for column in contract.schema.names if column in contract.required and column not in there]
    if missing:
        raise RefusedInput(f"{uri}: column {', '.join(missing)} is missing; it has {', '.join(there) or 'no columns'}")
    return _typed(contract, uri, data, raw)


def _typed(contract: tables.Contract, uri: str, data: bytes, raw: pa.Table) -> pa.Table:
    numbered = raw.append_column("row_number", pa.array(range(raw.num_rows), pa.int64()))
    with tables.scratch() as db:
        db.register("raw", numbered)
        selected = []
        for field in contract.schema:
            if field.name not in raw.schema.names:
                selected.append(f'NULL AS "{field.name}"')
                continue
            kind = tables.scalar(db, f'SELECT typeof("{field.name}") FROM raw LIMIT 1')
            selected.append(_cast(db, uri, data, field, kind or "VARCHAR"))
        db.execute(f"CREATE TEMP TABLE typed AS SELECT {', '.join(selected)}, row_number FROM raw ORDER BY row_number")
        for column in sorted(contract.required):
            row = tables.scalar(
                db, f"""SELECT min(row_number) FROM typed WHERE "{column}" IS NULL OR "{column}"::VARCHAR = ''"""
            )
            if row is not None:
                raise RefusedInput(f"{_place(uri, data, row)}: {column} is empty")
        key = ", ".join(f'"{column}"' for column in contract.key)
        twice = db.execute(
            f"""SELECT row_number, first, {key} FROM (
                    SELECT *, min(row_number) OVER (PARTITION BY {key}) AS first FROM typed
                ) WHERE row_number > first ORDER BY row_number LIMIT 1"""
        ).fetchall()
        for row, first, *values in twice:
            what = f"{', '.join(contract.key)} '{', '.join(map(str, values))}'"
            raise RefusedInput(f"{_place(uri, data, row)}: {what} is there already, at {_place(uri, data, first)}")
        return tables.arrow(db, "SELECT * EXCLUDE (row_number) FROM typed ORDER BY row_number")


def _cast(db: duckdb.DuckDBPyConnection, uri: str, data: bytes, field: pa.Field, kind: str) -> str:
    """SQL that casts a column of `raw` to the contract's type. Errors: RefusedInput for a value that does not fit."""
    name = f'"{field.name}"'
    if pa.types.is_timestamp(field.type):
        if kind in ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "DATE"):
            raise RefusedInput(f"{uri}: column {field.name} has times without a zone; give them as UTC")
        target, naive = "TIMESTAMPTZ", f"NOT regexp_matches({name}::VARCHAR, '{ZONED}')"
    else:
        types = {pa.float64(): "DOUBLE", pa.int32(): "INTEGER", pa.string(): "VARCHAR"}
        target, naive = types.get(field.type, "VARCHAR[]"), "false"
    value = f"CASE WHEN {name}::VARCHAR = '' THEN NULL ELSE {name} END" if kind == "VARCHAR" else name
    bad = db.execute(
        f"""SELECT row_number, {name} FROM raw WHERE {name} IS NOT NULL AND {name}::VARCHAR <> ''
            AND (TRY_CAST({name} AS {target}) IS NULL OR {naive}) ORDER BY row_number LIMIT 1"""
    ).fetchall()
    for row, found in bad:
        wanted = "a time with a zone, such as 2026-01-31T12:00:00Z" if target == "TIMESTAMPTZ" else target
        raise RefusedInput(f"{_place(uri, data, row)}: {field.name} '{found}' is not {wanted}")
    return f"CAST({value} AS {target}) AS {name}"


def _bytes(uri: str) -> bytes:
    try:
        return read_file(uri)
    except OSError as error:
        raise RefusedInput(f"{uri}: cannot be read ({error})") from error


def _parse(contract: tables.Contract, uri: str, data: bytes) -> pa.Table:
    if uri.endswith(".parquet"):
        try:
            return pq.read_table(pa.BufferReader(data))
        except (pa.ArrowInvalid, OSError) as error:
            raise RefusedInput(f"{uri}: not a readable Parquet file ({error})") from error
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedInput(f"{uri}:{data[: error.start].count(10) + 1}: not valid UTF-8") from error
    if not data.strip():
        raise RefusedInput(f"{uri}: the file is empty")
    return _parse_csv(uri, data) if uri.endswith(".csv") else _parse_jsonl(contract, uri, data)


def _parse_csv(uri: str, data: bytes) -> pa.Table:
    header = next(_csv_rows(data))[1]
    wrong: list[pacsv.InvalidRow] = []

    def refuse(row: pacsv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    options = pacsv.ConvertOptions(column_types={name: pa.string() for name in header}, strings_can_be_null=False)
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=options,
        )
    except pa.ArrowInvalid as error:
        raise RefusedInput(f"{uri}: not a readable CSV file ({error})") from error
    if wrong:
        # Found again with the csv module: Arrow counts rows, and a quoted value may span lines.
        line = next((n for n, row in _csv_rows(data) if row and len(row) != len(header)), 0)
        raise RefusedInput(f"{uri}:{line}: {wrong[0].actual_columns} values where the header has {len(header)} columns")
    return table


def _parse_jsonl(contract: tables.Contract, uri: str, data: bytes) -> pa.Table:
    try:
        first = json.loads(next(_json_lines(data))[1])
        texts = {key for key, value in first.items() if isinstance(value, str)}
        # Times stay text until their zone is checked.
        times = {field.name for field in contract.schema if pa.types.is_timestamp(field.type)}
        texts |= {name for name in times if f'"{name}"'.encode() in data}
        known = pa.schema([(name, pa.string()) for name in sorted(texts)])
        return pajson.read_json(pa.BufferReader(data), parse_options=pajson.ParseOptions(explicit_schema=known))
    except (pa.ArrowInvalid, ValueError, AttributeError) as error:
        for number, line in _json_lines(data):
            try:
                fault = None if isinstance(json.loads(line), dict) else "not a JSON object"
            except ValueError as bad:
                fault = f"not valid JSON ({bad})"
            if fault:
                raise RefusedInput(f"{uri}:{number}: {fault}") from error
        raise RefusedInput(f"{uri}: the lines do not agree on the type of a column ({error})") from error


def _csv_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """(line on which the row begins, values); blank lines are skipped, as Arrow does."""
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    begins = 1
    for row in reader:
        if row:
            yield begins, row
        begins = reader.line_num + 1


def _json_lines(data: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(data.decode("utf-8-sig").split("\n"), 1):
        if line.strip():
            yield number, line


def _place(uri: str, data: bytes, row: int) -> str:
    """`file:line` of the row-th row (from 0)."""
    if uri.endswith(".parquet"):
        return f"{uri}, row {row + 1}"
    rows = (n for n, _ in (_csv_rows(data) if uri.endswith(".csv") else _json_lines(data)))
    skip = row + 1 if uri.endswith(".csv") else row
    return f"{uri}:{next(n for i, n in enumerate(rows) if i == skip)}"
