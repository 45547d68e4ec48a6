"""Parquet as batches of text (`texts`): for files whose types are not the contract's, or that DuckDB can't be given."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurize.errors import RefusedInput
from featurize.intake import lists
from featurize.intake.lists import Number
from featurize.intake.table_files import TableFile, one_line
from featurize.intake.texts import (
    LISTS,
    ROWS,
    SHOWN,
    Kind,
    SpelledLists,
    cannot,
    check_names,
    elements,
    kind,
    target,
    to_table,
    to_texts,
    told,
    without_empty,
)
from featurize.storage import tables

EXACT = {pa.float16(): 2.0**11, pa.float32(): 2.0**24}
"""From here on, floats of a type skip whole numbers, and so an id may be another's."""


def read_schema(file: TableFile) -> pa.Schema:
    """The columns of a file and their types. Errors: RefusedInput."""
    try:
        with file.random_access() as source:
            schema = pq.read_schema(source)
            str(schema.names)  # a name that is no UTF-8 shows when it is asked for
            return schema
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = one_line(error)
        raise RefusedInput(f"{file.address}: cannot be read, not a readable Parquet file ({why})") from error


def batches(file: TableFile, contract: tables.Contract) -> Iterator[pa.Table]:
    """The rows of a file. Errors: RefusedInput with file and row."""
    schema = read_schema(file)
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
                        arrays.append(pa.nulls(len(table), target(field)))
                done += len(table)
                yield pa.table(arrays, names=["line", *contract.schema.names])
    except (pa.ArrowException, OSError) as error:
        raise RefusedInput(
            f"{file.address}: cannot be read from row {done + 1} on, not a readable Parquet file ({one_line(error)})"
        ) from error
    if not done:
        yield to_table(file, contract, [], {}, lambda what, value: value)


def _arrow_text(file: TableFile, field: pa.Field, array: pa.Array, before: int) -> pa.Array:
    """An Arrow column as the texts, or lists of texts, of a batch; `before` it, the file has so many rows."""
    what = kind(field)
    exact = EXACT.get(array.type, 2.0**53)
    array = _plain(file, field, array, before)
    given = array.type
    if what in LISTS:
        if given == pa.null():
            return pa.nulls(len(array), pa.list_(pa.string()))
        return _arrow_lists(file, field, array, before)
    useless = pa.types.is_nested(given) or (what == "id" and pa.types.is_boolean(given))
    if useless or (what in ("id", "number", "whole") and pa.types.is_temporal(given)):
        raise RefusedInput(f"{file.address}: column {field.name} is of type {given}, which {cannot(field)}")
    if what in ("id", "text") and pa.types.is_floating(given):
        return _digits(file, field, array, before, exact)
    text = pc.cast(array, pa.string())
    if what == "id" and pa.types.is_decimal(given):
        return _by_value(file, field, text, before, lambda _, value: lists.whole(value))
    return without_empty(text)


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
                given = told(field, repr(value[:SHOWN]))
                raise RefusedInput(f"{file.place(before + number + 1)}: {given} is not valid UTF-8") from error
        raise


def _digits(file: TableFile, field: pa.Field, array: pa.Array, before: int, exact: float) -> pa.Array:
    """Floats as text, whole ones without a point. An id must be whole, and below `exact`: there floats skip none."""
    whole = pc.and_kleene(pc.equal(array, pc.floor(array)), pc.less(pc.abs(array), exact))
    good = whole if kind(field) == "id" else pc.is_finite(array)
    if not pc.all(pc.fill_null(good, True)).as_py():
        number = pc.index(good, False).as_py()
        where = file.place(before + number + 1)
        raise RefusedInput(f"{where}: {told(field, repr(array[number].as_py()))} {cannot(field)}")
    digits = pc.cast(pc.cast(pc.if_else(whole, array, None), pa.int64()), pa.string())
    return pc.coalesce(digits, pc.cast(array, pa.string()))


def _arrow_lists(file: TableFile, field: pa.Field, array: pa.Array, before: int) -> pa.Array:
    spelled = SpelledLists()
    what = kind(field)
    inner = getattr(array.type, "value_type", array.type)
    exact = EXACT.get(inner, 2.0**53) if what == "ids" else math.inf

    def text(_: Kind, value: Any) -> Any:
        if isinstance(value, list):
            return elements((_python_value(each, exact) for each in value), what, typed=True)
        if isinstance(value, str):
            return spelled(value, what)
        if isinstance(value, dict):
            raise ValueError("it is one struct")
        return elements([_python_value(value, exact)], what, typed=True)

    return _by_value(file, field, array, before, text)


def _by_value(
    file: TableFile, field: pa.Field, array: pa.Array, before: int, text: Callable[[Kind, Any], Any]
) -> pa.Array:
    places = range(before + 1, before + len(array) + 1)
    return pa.array(to_texts(file, field, places, array.to_pylist(), text), target(field))


def _python_value(value: Any, exact: float) -> Any:
    """An element as JSON would have it. Errors: ValueError for a float of `exact` or more."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return Number(value)
    if isinstance(value, float):
        if exact <= abs(value) < math.inf:  # infinities are judged as numbers
            raise ValueError(f"{value} is a float that may have lost digits")
        return Number(repr(value))
    return value if isinstance(value, str | dict | list | tuple) or value is None else str(value)
