"""CSV, JSON and Parquet to one form: batches of text, as the file has it, under the names of a contract.

Invariant: a batch has `line` (int64; of Parquet the row, from 1), and each contract's column as text, or as a list of
texts where the contract says list; what a file lacks is null, and '' is. Values are judged later, by one set of rules
for all forms, but for what only a form knows: which bytes are text, what is a number, what can't be an id or a list.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurize.errors import RefusedInput
from featurize.intake import lists
from featurize.intake.lists import Number
from featurize.intake.table_files import TableFile, one_line
from featurize.storage import tables

ROWS = 1 << 16
CHARACTERS = 1 << 24
"""Of a batch, at most, about: a row may be as long as it likes."""
DELIMITERS = (",", ";", "\t", "|")
BLANK = re.compile(r"[ \t\n\r]*")
ROUNDED = rf"^(?:{lists.ROUNDED.pattern}|-?\d{{16,}}\.0*)$"
"""Ids of a form without types that may be rounded numbers."""
SHOWN = 80
"""Characters of a value that a message shows."""

Kind = Literal["id", "text", "number", "whole", "time", "ids", "texts"]


def kind(field: pa.Field) -> Kind:
    """What a contract's column holds."""
    if pa.types.is_list(field.type):
        return "ids" if field.name == "candidates" else "texts"
    if pa.types.is_timestamp(field.type):
        return "time"
    if pa.types.is_integer(field.type):
        return "whole"
    if pa.types.is_floating(field.type):
        return "number"
    return "id" if field.name.endswith("_id") else "text"


def batches(file: TableFile, contract: tables.Contract) -> Iterator[pa.Table]:
    """The rows of a file. Errors: RefusedInput with file and line."""
    read = {"csv": _csv, "json": _json, "parquet": _parquet}[file.form]
    yield from read(file, contract)


def check_names(where: str, contract: tables.Contract, there: Sequence[str], *, all_of_them: bool = True) -> None:
    """Names match exactly, and each is there once. Errors: RefusedInput.

    A column of ours under another spelling is refused, since its values would be lost without a word.
    """
    ours = [name for name in there if _bare(name) in contract.schema.names]
    for name in ours:
        same = [each for each in ours if _bare(each) == _bare(name)]
        if len(same) > 1:
            raise RefusedInput(f"{where}: there are two columns of one name: {', '.join(same)}")
        if name not in contract.schema.names:
            raise RefusedInput(f"{where}: column '{name}' must be written {_bare(name)}")
    if all_of_them:
        missing = [name for name in contract.schema.names if name in contract.required and name not in there]
        if missing:
            has = ", ".join(there) or "no columns"
            raise RefusedInput(f"{where}: column {', '.join(missing)} is missing; it has {has}")


def _bare(name: str) -> str:
    return name.strip().lower()


def shown(value: Any) -> str:
    """A value in a message: on one line, and not for pages."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _table(
    file: TableFile,
    contract: tables.Contract,
    places: Sequence[int],
    columns: Mapping[str, Sequence[Any]],
    text: Callable[[Kind, Any], Any],
    *,
    typed: bool = True,
) -> pa.Table:
    """Values of a batch to arrays.

    `text` makes a value text, or a list of texts, and raises ValueError if it can't; what is text already is taken as
    it is, but for an id of a form without types.
    """
    arrays = [pa.array(places, pa.int64())]
    for field in contract.schema:
        what = kind(field)
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(len(places), _target(field)))
            continue
        texts: Sequence[Any] = values
        if what in ("ids", "texts") or not {str, type(None)}.issuperset(map(type, values)):
            texts = _texts(file, field, places, values, text)
        try:
            array = pa.array(texts, _target(field))
        except UnicodeEncodeError:
            number = next(n for n, value in enumerate(texts) if not _is_unicode(value))
            where = file.place(places[number])
            given = _given(field, f"'{shown(texts[number])}'")
            raise RefusedInput(f"{where}: {given} holds half a character") from None
        if what == "id" and not typed:
            if pc.any(pc.match_substring_regex(array, ROUNDED)).as_py():
                _texts(file, field, places, texts, lambda _, value: lists.untyped(value))
            array = pc.replace_substring_regex(array, f"^{lists.WHOLE.pattern}$", r"\1")
        arrays.append(array if what in ("ids", "texts") else _without_empty(array))
    return pa.table(arrays, names=["line", *contract.schema.names])


def _target(field: pa.Field) -> pa.DataType:
    return pa.list_(pa.string()) if pa.types.is_list(field.type) else pa.string()


def _without_empty(array: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)


def _texts(
    file: TableFile, field: pa.Field, places: Sequence[int], values: Sequence[Any], text: Callable[[Kind, Any], Any]
) -> list[Any]:
    what = kind(field)
    texts: list[Any] = []
    try:
        for value in values:
            texts.append(None if value is None or value == "" else text(what, value))
    except ValueError as error:
        given = _given(field, f"'{shown(values[len(texts)])}'")
        raise RefusedInput(f"{file.place(places[len(texts)])}: {given} {_cannot(field)} ({error})") from error
    return texts


def _given(field: pa.Field, value: str) -> str:
    """A column and its value in a message. Who the members are is for no message."""
    return field.name if field.name == "member_id" else f"{field.name} {value}"


def _cannot(field: pa.Field) -> str:
    return {"id": "can't be an id", "ids": "can't be read as a list of ids", "texts": "can't be read as a list"}.get(
        kind(field), "can't be read"
    )


def _is_unicode(value: Any) -> bool:
    try:
        "".join(value or ()).encode()
    except UnicodeEncodeError:
        return False
    return True


class _Lists:
    """Spelled lists to texts, each spelling once: the same few come again and again."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, bool], list[str] | None] = {}

    def __call__(self, text: str, is_id: bool) -> list[str] | None:
        if (text, is_id) not in self.known:
            if len(self.known) > ROWS:
                self.known.clear()
            self.known[text, is_id] = _elements(lists.spelled(text), is_id=is_id, typed=False)
        return self.known[text, is_id]


def _elements(values: Iterable[Any] | None, *, is_id: bool, typed: bool) -> list[str] | None:
    if values is None:
        return None
    found = (lists.element(value, is_id=is_id, typed=typed) for value in values)
    return [each for each in found if each is not None]


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
    spelled = _Lists()
    begins, mark = 1, 0
    places: list[int] = []
    rows: list[list[str]] = []

    def text(what: Kind, value: str) -> Any:
        return spelled(value, what == "ids")

    def batch() -> pa.Table:
        assert header is not None
        columns = list(zip(*rows, strict=True))
        named = {name: columns[n] for n, name in enumerate(header) if name in contract.schema.names and columns}
        return _table(file, contract, places, named, text, typed=False)

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
        raise RefusedInput(f"{file.place(begins)}: not readable as CSV ({error})") from error
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
    spelled = _Lists()
    names: dict[str, None] = {}
    known: set[tuple[str, ...]] = set()
    places: list[int] = []
    rows: list[dict[str, Any]] = []
    size = 0

    def text(what: Kind, value: Any) -> Any:
        return _json_text(what, value, spelled)

    def batch() -> pa.Table:
        columns = {name: [row.get(name) for row in rows] for name in contract.schema.names if name in names}
        return _table(file, contract, places, columns, text)

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


def _json_text(what: Kind, value: Any, spelled: _Lists) -> Any:
    if what in ("ids", "texts"):
        if isinstance(value, list):
            return _elements(value, is_id=what == "ids", typed=True)
        if isinstance(value, dict):
            raise ValueError("it is one object")
        if isinstance(value, str) and not isinstance(value, Number):
            return spelled(value, what == "ids")
        return _elements([value], is_id=what == "ids", typed=True)
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


# Parquet


EXACT = {pa.float16(): 2.0**11, pa.float32(): 2.0**24}
"""From here on, floats of a type skip whole numbers, and so an id may be another's."""


def parquet_schema(file: TableFile) -> pa.Schema:
    """Errors: RefusedInput."""
    try:
        with file.random_access() as source:
            schema = pq.read_schema(source)
            str(schema.names)  # a name that is no UTF-8 shows when it is asked for
            return schema
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = one_line(error)
        raise RefusedInput(f"{file.address}: cannot be read, not a readable Parquet file ({why})") from error


def _parquet(file: TableFile, contract: tables.Contract) -> Iterator[pa.Table]:
    schema = parquet_schema(file)
    check_names(file.address, contract, schema.names)
    ours = [name for name in contract.schema.names if name in schema.names]
    done = 0
    try:
        with file.random_access() as source:
            for batch in pq.ParquetFile(source).iter_batches(ROWS, columns=ours):
                table = pa.Table.from_batches([batch])
                arrays = [pa.array(range(done + 1, done + len(table) + 1), pa.int64())]
                for field in contract.schema:
                    if field.name in ours:
                        arrays.append(_arrow_text(file, field, table[field.name].combine_chunks(), done))
                    else:
                        arrays.append(pa.nulls(len(table), _target(field)))
                done += len(table)
                yield pa.table(arrays, names=["line", *contract.schema.names])
    except (pa.ArrowException, OSError) as error:
        raise RefusedInput(
            f"{file.address}: cannot be read from row {done + 1} on, not a readable Parquet file ({one_line(error)})"
        ) from error
    if not done:
        yield _table(file, contract, [], {}, lambda what, value: value)


def _arrow_text(file: TableFile, field: pa.Field, array: pa.Array, before: int) -> pa.Array:
    """An Arrow column as the texts, or lists of texts, of a batch; `before` it, the file has so many rows."""
    what = kind(field)
    exact = EXACT.get(array.type, 2.0**53)
    array = _plain(file, field, array, before)
    given = array.type
    if what in ("ids", "texts"):
        if given == pa.null():
            return pa.nulls(len(array), pa.list_(pa.string()))
        return _arrow_lists(file, field, array, before)
    useless = pa.types.is_nested(given) or (what == "id" and pa.types.is_boolean(given))
    if useless or (what in ("id", "number", "whole") and pa.types.is_temporal(given)):
        raise RefusedInput(f"{file.address}: column {field.name} is of type {given}, which {_cannot(field)}")
    if what in ("id", "text") and pa.types.is_floating(given):
        return _digits(file, field, array, before, exact)
    text = pc.cast(array, pa.string())
    if what == "id" and pa.types.is_decimal(given):
        return _by_value(file, field, text, before, lambda _, value: lists.whole(value))
    return _without_empty(text)


def _plain(file: TableFile, field: pa.Field, array: pa.Array, before: int) -> pa.Array:
    """The same values in a type that casts to text."""
    if isinstance(array, pa.ExtensionArray):
        if array.type == pa.uuid():
            texts = [None if each is None else str(uuid.UUID(bytes=each)) for each in array.storage.to_pylist()]
            return pa.array(texts, pa.string())
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    given = array.type
    if given == pa.float16():
        return pc.cast(pc.cast(array, pa.float32()), pa.float64())
    if given == pa.float32():
        return pc.cast(array, pa.float64())
    is_binary = pa.types.is_binary(given) or pa.types.is_large_binary(given) or pa.types.is_fixed_size_binary(given)
    is_text = pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_string_view(given)
    if not (is_binary or is_text or given == pa.binary_view()):
        return array
    values = pc.cast(pc.cast(array, pa.large_binary()), pa.binary())
    try:
        return pc.cast(values, pa.string())
    except pa.ArrowInvalid as error:
        for number, value in enumerate(values.to_pylist()):
            try:
                (value or b"").decode()
            except UnicodeDecodeError:
                given = _given(field, repr(value[:SHOWN]))
                raise RefusedInput(f"{file.place(before + number + 1)}: {given} is not valid UTF-8") from error
        raise


def _digits(file: TableFile, field: pa.Field, array: pa.Array, before: int, exact: float) -> pa.Array:
    """Floats as text, whole ones without a point. An id must be whole, and below `exact`: there floats skip none."""
    whole = pc.and_kleene(pc.equal(array, pc.floor(array)), pc.less(pc.abs(array), exact))
    good = whole if kind(field) == "id" else pc.is_finite(array)
    if not pc.all(pc.fill_null(good, True)).as_py():
        number = pc.index(good, False).as_py()
        where = file.place(before + number + 1)
        raise RefusedInput(f"{where}: {_given(field, repr(array[number].as_py()))} {_cannot(field)}")
    digits = pc.cast(pc.cast(pc.if_else(whole, array, None), pa.int64()), pa.string())
    return pc.coalesce(digits, pc.cast(array, pa.string()))


def _arrow_lists(file: TableFile, field: pa.Field, array: pa.Array, before: int) -> pa.Array:
    spelled = _Lists()
    is_id = kind(field) == "ids"
    inner = array.type.value_type if pa.types.is_nested(array.type) and array.type.num_fields == 1 else array.type
    exact = EXACT.get(inner, 2.0**53) if is_id else math.inf

    def text(_: Kind, value: Any) -> Any:
        if isinstance(value, list):
            return _elements((_python_value(each, exact) for each in value), is_id=is_id, typed=True)
        if isinstance(value, str):
            return spelled(value, is_id)
        if isinstance(value, dict):
            raise ValueError("it is one struct")
        return _elements([_python_value(value, exact)], is_id=is_id, typed=True)

    return _by_value(file, field, array, before, text)


def _by_value(
    file: TableFile, field: pa.Field, array: pa.Array, before: int, text: Callable[[Kind, Any], Any]
) -> pa.Array:
    places = range(before + 1, before + len(array) + 1)
    return pa.array(_texts(file, field, places, array.to_pylist(), text), _target(field))


def _python_value(value: Any, exact: float) -> Any:
    """An element as JSON would have it. Errors: ValueError for a float of `exact` or more."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return Number(value)
    if isinstance(value, float):
        if abs(value) >= exact:
            raise ValueError(f"{value} is a float that may have lost digits")
        return Number(repr(value))
    return value if isinstance(value, str | dict | list | tuple) or value is None else str(value)
