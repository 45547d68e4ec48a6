"""The one reader of every table a user gives: manifest, titles, history, impressions and pairs.

A table comes as CSV, JSON or Parquet, in one file, a folder or a pattern (`table_files`). Only the contract's columns
are read (`forms`), file by file, each checked for itself, by one set of rules whatever the form (`sql/values.sql`).

Invariant: no value is lost in silence. What breaks the contract of a catalogue (manifest, title), a list, an id, or a
time without a zone refuses the input, with file and line. Elsewhere a value that cannot be read is NULL and its row
carries a `fault`, a code to count it under, and `fault_example`, the sentence; so the job can leave it out and say so.

Parquet whose types fit is not converted: DuckDB scans it where it lies. All else becomes one Parquet file in the job's
scratch folder, a batch at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from featurize.errors import RefusedInput, RunFailed
from featurize.intake import forms, parquet, table_files
from featurize.intake.table_files import TableFile, form_of, is_table, one_line, place
from featurize.intake.texts import LISTS, check_names, kind, shown
from featurize.storage import tables
from featurize.storage.tables import sql

__all__ = ["EVENTS", "form_of", "is_table", "place", "placed", "read", "refuse_broken", "view"]

EVENTS = ("play", "thumbs_up", "thumbs_down", "list_add")
CATALOGUES = ("manifest", "title")
"""Taken whole or refused."""
FOOTERS = 16
"""Parquet footers read at once."""
WRONG = {
    "number": "is not a finite number",
    "whole": "is not a whole number",
    "numbers": "is not a list of finite numbers",
    "time": "is not a time with a zone, such as 2026-01-31T12:00:00Z",
    "event": f"is none of {', '.join(EVENTS)}",
}
COMMA = re.compile(r"\s*[+-]?[\d.]*,\d+\s*")
POINT = "; decimals are written with a point, 0.5"
EPOCH = "is a number and not a time: write it as text or a timestamp, such as 2026-01-31T12:00:00Z"
NAIVE = "; input.time_zone can say which zone it is"


def read(name: str, uri: str, time_zone: str | None = None) -> pa.Table:
    """Rows of contract `name` (`manifest`, `title`) at `uri`, in the contract's types. Errors: RefusedInput."""
    return placed(name, uri, time_zone).select(tables.contract(name).schema.names)


def placed(name: str, uri: str, time_zone: str | None = None) -> pa.Table:
    """The same, with columns `file` and `line`: where each row stands, as `place` writes it.

    `time_zone` is that of times that do not say theirs; without, they are refused. Errors: RefusedInput.
    """
    contract = tables.contract(name)
    found = []
    with _Converter(contract, time_zone) as convert:
        for file in table_files.listed(uri):
            for batch in convert(file):
                address = pa.array([file.address], pa.string()).take(pa.array([0] * len(batch), pa.int32()))
                found.append(batch.append_column("file", address))
    rows = pa.concat_tables(found).combine_chunks()
    _check_rows(contract, rows)
    return rows


def view(
    db: duckdb.DuckDBPyConnection, name: str, uri: str, *, scratch: str | Path, time_zone: str | None = None
) -> None:
    """Make TEMP VIEW `name` (`history`, `impression`, `pair`) over the table at `uri`, streamed, never held whole.

    Its columns and types are the contract's, plus `fault` and `fault_example` (NULL where all values were read). A
    fault is `bad_<column>`, or `unknown_event`, whose `event` keeps the word. Ids are text, events in lower case.
    Files are written to the folder `scratch`, which must last as long as the view. Errors: RefusedInput, RunFailed.
    """
    contract = tables.contract(name)
    files = table_files.listed(uri)
    scanned: dict[tuple[str, str], list[TableFile]] = {}
    converted = []
    with ThreadPoolExecutor(FOOTERS) as pool:
        plans = list(pool.map(lambda file: _scannable(file, contract, time_zone), files))
    for file, plan in zip(files, plans, strict=True):
        if plan is None:
            converted.append(file)
        else:
            scanned.setdefault(plan, []).append(file)
    selects = []
    for number, ((types, columns), group) in enumerate(scanned.items()):
        select = f"SELECT {columns} FROM {_source(db, contract, f'{name}_file_{number}', group)}"
        try:
            # Milliseconds may be beyond what microseconds can hold.
            db.execute(f'SELECT max("at") FROM ({select})' if "timestamp[ms" in types else f"DESCRIBE {select}")
            selects.append(select)
        except duckdb.Error:
            converted += group
    if converted:
        target = Path(scratch) / f"{name}.parquet"
        _convert(contract, converted, target, time_zone)
        selects.append(f"SELECT * FROM {_parquet([str(target)])}")
    db.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {' UNION ALL '.join(selects)}")


def refuse_broken(name: str, uri: str) -> None:
    """Read the table again, slowly, to tell where it breaks off, once a scan of its view has failed.

    Errors: RefusedInput with file and row; none if nothing is wrong with the table.
    """
    for file in table_files.listed(uri):
        for _ in forms.batches(file, tables.contract(name)):
            pass


def _convert(contract: tables.Contract, files: Sequence[TableFile], target: Path, time_zone: str | None) -> None:
    nullable = [field.with_nullable(True) for field in contract.schema]
    schema = pa.schema([*nullable, ("fault", pa.string()), ("fault_example", pa.string())])
    with _Converter(contract, time_zone) as convert:
        rows = (batch for file in files for batch in convert(file))
        try:
            with pq.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer:
                for batch in rows:
                    writer.write_table(batch.select(schema.names).cast(schema))
        except OSError as error:
            raise RunFailed(f"writing {target}: {one_line(error)}") from error


class _Converter:
    """Batches of text to batches of a contract's types, by the macros of `sql/values.sql`."""

    def __init__(self, contract: tables.Contract, time_zone: str | None) -> None:
        self.contract = contract
        self.time_zone = time_zone
        self.db = tables.scratch()
        self.db.execute(sql("intake", "values"))
        read = ["line"]
        self.judged: dict[str, str] = {}
        for field in contract.schema:
            name, what = field.name, kind(field)
            if what in ("number", "numbers", "whole"):
                read.append(f"as_{what}({name}) AS {name}")
                self.judged[name] = what
            elif what == "time":
                read.append(f'as_time("{name}", $zone) AS "{name}"')
                self.judged[name] = what
            elif name == "event":
                read.append("lower(event) AS event")
                self.judged[name] = name
            else:
                read.append(f'"{name}"')
        self.query = f"SELECT {', '.join(read)} FROM batch"
        if any(what == "time" for what in self.judged.values()):
            self.parameters: dict[str, Any] = {"zone": time_zone}
        else:
            self.parameters = {}

    def __enter__(self) -> _Converter:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def __call__(self, file: TableFile) -> Iterator[pa.Table]:
        """Rows of the contract with `line`, `fault` and `fault_example`. Errors: RefusedInput."""
        if file.form == "parquet":
            schema = parquet.read_schema(file)
            for field in self.contract.schema:
                if kind(field) == "time" and schema.names.count(field.name) == 1:
                    _time(file, field, schema.field(field.name).type, self.time_zone)
        for batch in forms.batches(file, self.contract):
            self.db.register("batch", batch)
            rows = tables.arrow(self.db, self.query, self.parameters)
            self.db.unregister("batch")
            yield self._with_faults(file, batch, rows)

    def _with_faults(self, file: TableFile, batch: pa.Table, rows: pa.Table) -> pa.Table:
        wrong: dict[int, tuple[str, str]] = {}
        # A limit first, whatever else is wrong: it is read of rows, too, that are left out for another reason.
        for name, what in sorted(self.judged.items(), key=lambda each: each[1] != "whole"):
            for number in self._wrong(batch[name], rows[name], what):
                wrong.setdefault(number, (name, what))
        faults: dict[int, tuple[str, str]] = {}
        for number in sorted(wrong):
            name, what = wrong[number]
            text = batch[name][number].as_py()
            why = WRONG[what]
            is_epoch, is_naive = self._clockless(text) if what == "time" else (False, False)
            if is_epoch:
                why = EPOCH
            elif is_naive:
                why += NAIVE
            elif "number" in what and any(map(COMMA.fullmatch, text if what in LISTS else [text])):
                why += POINT
            sentence = f"{file.place(batch['line'][number].as_py())}: {name} '{shown(text)}' {why}"
            if is_epoch or is_naive or self.contract.name in CATALOGUES:
                raise RefusedInput(sentence)
            faults[number] = ("unknown_event" if name == "event" else f"bad_{name}", sentence)
        for column in (0, 1):
            if faults:
                values = [faults[number][column] if number in faults else None for number in range(len(rows))]
                array = pa.array(values, pa.string())
            else:
                array = pa.nulls(len(rows), pa.string())
            rows = rows.append_column(("fault", "fault_example")[column], array)
        return rows

    def _wrong(self, texts: pa.ChunkedArray, values: pa.ChunkedArray, what: str) -> list[int]:
        mask = pc.invert(pc.is_in(values, pa.array(EVENTS))) if what == "event" else pc.is_null(values)
        given = pc.and_(pc.is_valid(texts), mask)
        if not pc.any(given).as_py():
            return []
        numbers = pc.indices_nonzero(given).to_pylist()
        return [number for number in numbers if what in LISTS or texts[number].as_py().strip()]

    def _clockless(self, text: str) -> tuple[bool, bool]:
        query = "SELECT is_epoch($1), as_naive($1) IS NOT NULL"
        return self.db.execute(query, [text]).fetchall()[0]


def _check_rows(contract: tables.Contract, rows: pa.Table) -> None:
    """Errors: RefusedInput for a required value that is not there, one out of bounds, or a key that is there twice."""
    number = pa.array(range(len(rows)), pa.int64())
    with tables.scratch() as db:
        db.register("read", rows.append_column("number", number))
        for column in sorted(contract.required):
            first = tables.scalar(db, f'SELECT min(number) FROM read WHERE "{column}" IS NULL')
            if first is not None:
                raise RefusedInput(f"{_place(rows, first)}: {column} is empty")
        for column, rule in contract.checks:
            first = tables.scalar(db, f"SELECT min(number) FROM read WHERE NOT {rule}")
            if first is not None:
                value = shown(rows[column][first].as_py())
                raise RefusedInput(f"{_place(rows, first)}: {column} '{value}' is out of bounds: {rule[1:-1]}")
        key = ", ".join(f'"{column}"' for column in contract.key)
        twice = db.execute(
            f"""SELECT number, first, {key} FROM (
                    SELECT *, min(number) OVER (PARTITION BY {key}) AS first FROM read
                ) WHERE number > first ORDER BY number LIMIT 1"""
        ).fetchall()
        for again, first, *values in twice:
            what = f"{', '.join(contract.key)} '{', '.join(map(shown, values))}'"
            raise RefusedInput(f"{_place(rows, again)}: {what} is there already, at {_place(rows, first)}")


def _place(rows: pa.Table, number: int) -> str:
    return place(rows["file"][number].as_py(), rows["line"][number].as_py())


# Parquet that DuckDB scans where it lies


def _scannable(file: TableFile, contract: tables.Contract, time_zone: str | None) -> tuple[str, str] | None:
    """The types of a Parquet file, and what to select from it, if they need no more than casts that can't fail.

    DuckDB would unify the types of files that it scans as one; so they are part of the plan. Errors: RefusedInput for
    a column that is missing, or whose type makes it useless.
    """
    if file.form != "parquet" or file.compression is not None:
        return None
    schema = parquet.read_schema(file)
    check_names(file.address, contract, schema.names)
    there = {field.name: field.type for field in schema}
    columns, faults = [], []
    for field in contract.schema:
        name = f'"{field.name}"'
        if field.name not in there or there[field.name] == pa.null():
            columns.append(f"NULL::{_TYPES[kind(field)]} AS {name}")
            continue
        cast = _cast(file, field, there[field.name], time_zone)
        if cast is None:
            return None
        columns.append(f"{cast} AS {name}")
        if pa.types.is_floating(there[field.name]):
            why = f"{field.name} {WRONG['number']}"
            faults.append((f"NOT isfinite({name})", f"'bad_{field.name}'", f"'{why}'"))
        elif field.name == "event":
            words = ", ".join(f"'{event}'" for event in EVENTS)
            why = f"'event ''' || event || ''' {WRONG['event']}'"
            faults.append((f"lower(event) NOT IN ({words})", "'unknown_event'", why))
        elif kind(field) == "ids":
            empty = f"len({name}) > list_count({name}) OR list_contains({name}, '')"
            faults.append((empty, f"'bad_{field.name}'", f"'one of {field.name} is empty'"))
        elif kind(field) == "numbers":
            finite = f"list_count({name}) = len({name}) AND len(list_filter({name}, lambda n: NOT isfinite(n))) = 0"
            faults.append((f"NOT ({finite})", f"'bad_{field.name}'", f"'{field.name} {WRONG['numbers']}'"))
        elif kind(field) == "whole" and not _fits(there[field.name]):
            why = f"'{field.name} ' || {name} || ' {WRONG['whole']}'"
            faults.insert(0, (f"{cast} IS NULL AND {name} IS NOT NULL", f"'bad_{field.name}'", why))
    where = ""
    if file.local and not {"filename", "file_row_number"} & {name.lower() for name in there}:
        where = "filename || ', row ' || (file_row_number + 1) || ': ' || "
    for alias, part in (("fault", 1), ("fault_example", 2)):
        whens = [f"WHEN {fault[0]} THEN {where if part == 2 else ''}{fault[part]}" for fault in faults]
        columns.append(f"CASE {' '.join(whens)} END AS {alias}" if whens else f"NULL::VARCHAR AS {alias}")
    types = ", ".join(f"{name} {there.get(name)}" for name in contract.schema.names)
    return f"{type(file.fs).__name__}: {types}", ", ".join(columns)


_TYPES = {"id": "VARCHAR", "text": "VARCHAR", "number": "DOUBLE", "time": "TIMESTAMPTZ"} | {
    "ids": "VARCHAR[]",
    "texts": "VARCHAR[]",
    "whole": "INTEGER",
    "numbers": "DOUBLE[]",
}


def _cast(file: TableFile, field: pa.Field, given: pa.DataType, time_zone: str | None) -> str | None:
    name, what = f'"{field.name}"', kind(field)
    if pa.types.is_dictionary(given):
        given = given.value_type
    is_text = pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_string_view(given)
    if what in ("id", "text"):
        if is_text:
            return f"lower({name})" if field.name == "event" else name
        return f"{name}::VARCHAR" if pa.types.is_integer(given) or given == pa.uuid() else None
    if what == "number":
        fits = pa.types.is_float32(given) or pa.types.is_float64(given) or pa.types.is_integer(given)
        fits = fits or pa.types.is_boolean(given) or pa.types.is_decimal128(given)
        return f"{name}::DOUBLE" if fits else None
    if what == "whole":
        if not pa.types.is_integer(given):
            return None
        return f"{name}::INTEGER" if _fits(given) else f"TRY_CAST({name} AS INTEGER)"
    if what == "time":
        return _time(file, field, given, time_zone)
    if pa.types.is_list(given) or pa.types.is_large_list(given):
        inner = given.value_type
        if what == "numbers":
            fits = pa.types.is_float32(inner) or pa.types.is_float64(inner) or pa.types.is_integer(inner)
            return f"{name}::DOUBLE[]" if fits else None
        return name if pa.types.is_string(inner) or pa.types.is_large_string(inner) else None
    return None


def _fits(given: pa.DataType) -> bool:
    """Whether every whole number of the type is an INTEGER."""
    return pa.types.is_int32(given) or given in (pa.int8(), pa.uint8(), pa.int16(), pa.uint16())


def _time(file: TableFile, field: pa.Field, given: pa.DataType, time_zone: str | None) -> str | None:
    name = f'"{field.name}"'
    if pa.types.is_integer(given) or pa.types.is_floating(given) or pa.types.is_decimal(given):
        raise RefusedInput(f"{file.address}: column {field.name} of type {given} {EPOCH}")
    is_date = pa.types.is_date(given)
    if is_date or (pa.types.is_timestamp(given) and given.tz is None):
        if time_zone is None:
            raise RefusedInput(
                f"{file.address}: column {field.name} has times without a zone ({given}); give them as UTC, or set "
                "input.time_zone"
            )
        return f"timezone('{time_zone}', {name}::TIMESTAMP)"
    return f"{name}::TIMESTAMPTZ" if pa.types.is_timestamp(given) else None


def _source(db: duckdb.DuckDBPyConnection, contract: tables.Contract, name: str, files: Sequence[TableFile]) -> str:
    """Files on disk are read by DuckDB itself, all else through Arrow, which shows it the contract's columns only."""
    paths = [file.path for file in files]
    if files[0].local:
        return _parquet(paths)
    schema = pa.schema([field for field in parquet.read_schema(files[0]) if field.name in contract.schema.names])
    db.register(name, ds.dataset(paths, schema, format="parquet", filesystem=files[0].fs))
    return name


def _parquet(paths: Sequence[str]) -> str:
    literal = ", ".join("'" + re.sub(r"([*?\[])", r"[\1]", path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{literal}], hive_partitioning = false)"
