"""CSV, JSON and Parquet to one form: batches of text, as the file has it, under the names of a contract (`texts`).

Values are judged later, by one set of rules for all forms, but for what only a form knows: which bytes are text, what
is a number, what can't be an id or a list. CSV and JSON are read here, Parquet in `parquet`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from featurize.errors import RefusedInput
from featurize.intake import lists, parquet
from featurize.intake.lists import Number
from featurize.intake.table_files import TableFile
from featurize.intake.texts import LISTS, ROWS, Kind, SpelledLists, check_names, elements, to_table
from featurize.storage import tables

CHARACTERS = 1 << 24
"""Of a batch, at most, about: a row may be as long as it likes."""
DELIMITERS = (",", ";", "\t", "|")
BLANK = re.compile(r"[ \t\n\r]*")


def batches(file: TableFile, contract: tables.Contract) -> Iterator[pa.Table]:
    """The rows of a file. Errors: RefusedInput with file and line."""
    read = {"csv": _csv, "json": _json, "parquet": parquet.batches}[file.form]
    yield from read(file, contract)


# CSV


class _Lines:
    """The lines of a text file, with their ends, to the csv module; `taken` counts the characters."""

    def __init__(self, file: TableFile) -> None:
        self.file = file
        self.taken = 0
        self.chunks = _decoded(file)
        self.first = next(self.chunks, "")

    def __iter__(self) -> Iterator[str]:
        chunk: str | None = self.first
        while chunk is not None:
            for line in io.StringIO(chunk, newline=""):
                self.taken += len(line)
                yield line
            chunk = next(self.chunks, None)


def _decoded(file: TableFile) -> Iterator[str]:
    """The text of a file in chunks that end where lines end. Errors: RefusedInput with the line that is no UTF-8."""
    line, empty = 1, True
    for number, chunk in enumerate(file.chunks()):
        try:
            text = chunk.decode("utf-8-sig" if number == 0 else "utf-8")
        except UnicodeDecodeError as error:
            line += chunk[: error.start].count(b"\n")
            raise RefusedInput(f"{file.place(line)}: not valid UTF-8; save it as UTF-8") from error
        line += text.count("\n")
        empty = empty and not text.strip()
        yield text
    if empty:
        raise RefusedInput(f"{file.address}: the file is empty")


def _csv(file: TableFile, contract: tables.Contract) -> Iterator[pa.Table]:
    csv.field_size_limit(2**31 - 1)
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=_delimiter(contract, lines.first), strict=True)
    header: list[str] | None = None
    spelled = SpelledLists()
    begins, mark = 1, 0
    places: list[int] = []
    rows: list[list[str]] = []

    def text(what: Kind, value: str) -> Any:
        return spelled(value, what)

    def batch() -> pa.Table:
        assert header is not None
        columns = list(zip(*rows, strict=True))
        named = {name: columns[n] for n, name in enumerate(header) if name in contract.schema.names and columns}
        return to_table(file, contract, places, named, text, typed=False)

    try:
        for row in reader:
            begun, begins = begins, reader.line_num + 1
            if not row:
                continue
            if header is None:
                header = row
                check_names(file.address, contract, header)
                continue
            if len(row) != len(header):
                raise RefusedInput(f"{file.place(begun)}: {len(row)} values where the header has {len(header)} columns")
            places.append(begun)
            rows.append(row)
            if len(rows) >= ROWS or lines.taken - mark >= CHARACTERS:
                yield batch()
                places, rows, mark = [], [], lines.taken
    except csv.Error as error:
        told = f"not readable as CSV ({error}); within quotes, a quote is written twice"  # Spark writes \" unless told
        raise RefusedInput(f"{file.place(begins)}: {told}") from error
    if header is not None:
        yield batch()


def _delimiter(contract: tables.Contract, text: str) -> str:
    """The delimiter with which the header names most of the contract's columns: values may hold any of them."""

    def found(delimiter: str) -> int:
        try:
            header = next((row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row), [])
        except csv.Error:
            return 0
        return sum(name in contract.schema.names for name in header)

    return max(DELIMITERS, key=found)


# JSON


class _Doubled(dict[str, Any]):
    """An object with a name in it twice."""

    names: list[str]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Doubled(pairs)
    doubled.names = [name for name, _ in pairs]
    return doubled


DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=_object)


def _json(file: TableFile, contract: tables.Contract) -> Iterator[pa.Table]:
    spelled = SpelledLists()
    names: dict[str, None] = {}
    known: set[tuple[str, ...]] = set()
    places: list[int] = []
    rows: list[dict[str, Any]] = []
    size = 0

    def text(what: Kind, value: Any) -> Any:
        return _json_text(what, value, spelled)

    def batch() -> pa.Table:
        columns = {name: [row.get(name) for row in rows] for name in contract.schema.names if name in names}
        return to_table(file, contract, places, columns, text)

    for line, row, length in _objects(file):
        if not isinstance(row, dict):
            raise RefusedInput(f"{file.place(line)}: not a JSON object")
        keys = tuple(row)
        if keys not in known or isinstance(row, _Doubled):
            check_names(file.place(line), contract, row.names if isinstance(row, _Doubled) else keys, all_of_them=False)
            names |= dict.fromkeys(keys)
            if len(known) < ROWS:
                known.add(keys)
        places.append(line)
        rows.append(row)
        size += length
        if len(rows) >= ROWS or size >= CHARACTERS:
            yield batch()
            places, rows, size = [], [], 0
    check_names(file.address, contract, list(names))
    yield batch()


def _json_text(what: Kind, value: Any, spelled: SpelledLists) -> Any:
    if what in LISTS:
        if isinstance(value, list):
            return elements(value, what, typed=True)
        if isinstance(value, dict):
            raise ValueError("it is one object")
        if isinstance(value, str) and not isinstance(value, Number):
            return spelled(value, what)
        return elements([value], what, typed=True)
    if isinstance(value, Number):
        if what == "text" and not math.isfinite(float(value)):
            raise ValueError("it is no number")
        return {"id": lists.whole, "text": lists.unpointed}.get(what, str)(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) and what != "id":
        return str(value).lower()
    if what in ("id", "text"):
        raise ValueError("it is neither text nor a number")
    return json.dumps(value, ensure_ascii=False)


def _objects(file: TableFile) -> Iterator[tuple[int, Any, int]]:
    """(line on which it begins, value, its length) of every value one after another, or of those in one array.

    A chunk ends where a line does, so no word or text is cut, and a value that is cut ends where the chunk does.
    """
    rest, line, array, first = "", 1, False, True
    chunks = _decoded(file)
    ended = False
    while not ended:
        chunk = next(chunks, None)
        ended = chunk is None
        text, position, counted = rest + (chunk or ""), 0, 0
        end = len(text.rstrip(" \t\n\r"))
        while True:
            position = BLANK.match(text, position).end()  # type: ignore[union-attr]
            if position >= end:
                break
            line += text.count("\n", counted, position)
            counted = position
            if first and text[position] == "[":
                array, first, position = True, False, position + 1
                separated = True
                continue
            if array and text[position] == "]":
                if text[position + 1 :].strip() or (not ended and any(each.strip() for each in chunks)):
                    raise RefusedInput(f"{file.place(line)}: there is more after the end of the array")
                return
            if array and not separated:
                if text[position] != ",":
                    raise RefusedInput(f"{file.place(line)}: not valid JSON (a comma is missing before this)")
                separated, position = True, position + 1
                continue
            try:
                value, after = DECODER.raw_decode(text, position)
            except RecursionError as error:
                raise RefusedInput(f"{file.place(line)}: nested too deeply") from error
            except json.JSONDecodeError as error:
                if error.pos >= end and not ended:
                    break
                raise RefusedInput(f"{file.place(line)}: not valid JSON ({error.msg})") from error
            yield line, value, after - position
            first, separated, position = False, False, after
        line += text.count("\n", counted, position)
        rest = text[position:]
    if array:
        raise RefusedInput(f"{file.place(line)}: the array has no end: the file is cut")
