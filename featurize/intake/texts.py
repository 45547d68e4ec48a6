"""What all forms of a table share: which columns are a contract's, and how values become the texts of a batch.

Invariant: a batch has `line` (int64; of Parquet the row, from 1), and each contract's column as text, or as a list of
texts where the contract says list; what a file lacks is null, and '' is. A value that can't be made text is refused
with its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from featurize.errors import RefusedInput
from featurize.intake import lists
from featurize.intake.table_files import TableFile
from featurize.storage import tables

ROWS = 1 << 16
"""Of a batch, at most."""
ROUNDED = rf"^(?:{lists.ROUNDED.pattern}|-?\d{{16,}}\.0*)$"
"""Ids of a form without types that may be rounded numbers."""
SHOWN = 80
"""Characters of a value that a message shows."""

Kind = Literal["id", "text", "number", "whole", "time", "ids", "texts", "numbers"]
TELLING = 6
"""Letters from which on a name that is one slip away is more likely a mistake than a column of somebody's own."""
LISTS = ("ids", "texts", "numbers")


def kind(field: pa.Field) -> Kind:
    """What a contract's column holds."""
    if pa.types.is_list(field.type):
        if pa.types.is_floating(field.type.value_type):
            return "numbers"
        return "ids" if field.name == "candidates" else "texts"
    if pa.types.is_timestamp(field.type):
        return "time"
    if pa.types.is_integer(field.type):
        return "whole"
    if pa.types.is_floating(field.type):
        return "number"
    return "id" if field.name.endswith("_id") else "text"


def check_names(where: str, contract: tables.Contract, there: Sequence[str], *, all_of_them: bool = True) -> None:
    """Names match exactly, and each is there once. Errors: RefusedInput.

    A column of ours under another spelling, or a slip away from it, is refused: its values would be lost in silence.
    """
    ours = [name for name in there if _bare(name) in contract.schema.names]
    for name in ours:
        same = [each for each in ours if _bare(each) == _bare(name)]
        if len(same) > 1:
            raise RefusedInput(f"{where}: there are two columns of one name: {', '.join(same)}")
        if name not in contract.schema.names:
            raise RefusedInput(f"{where}: column '{name}' must be written {_bare(name)}")
    lacking = [name for name in contract.schema.names if name not in there and len(name) >= TELLING]
    for name in there:
        meant = next((each for each in lacking if name not in ours and _one_slip(_bare(name), each)), None)
        if meant:
            raise RefusedInput(f"{where}: column '{name}' is not known; is it {meant}? If not, give it another name")
    if all_of_them:
        missing = [name for name in contract.schema.names if name in contract.required and name not in there]
        if missing:
            has = ", ".join(there) or "no columns"
            raise RefusedInput(f"{where}: column {', '.join(missing)} is missing; it has {has}")


def _one_slip(name: str, other: str) -> bool:
    """Whether one letter is missing, too many, another one, or two stand in each other's place."""
    shorter = min(len(name), len(other))
    same = next((place for place in range(shorter) if name[place] != other[place]), shorter)
    mine, theirs = name[same:], other[same:]
    swapped = mine[:2] == theirs[:2][::-1] and mine[2:] == theirs[2:]
    return name != other and (mine[1:] in (theirs, theirs[1:]) or mine == theirs[1:] or swapped)


def _bare(name: str) -> str:
    return name.strip().lower()


def shown(value: Any) -> str:
    """A value in a message: on one line, and not for pages."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def to_table(
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
            arrays.append(pa.nulls(len(places), target(field)))
            continue
        texts: Sequence[Any] = values
        if what in LISTS or not {str, type(None)}.issuperset(map(type, values)):
            texts = to_texts(file, field, places, values, text)
        try:
            array = pa.array(texts, target(field))
        except UnicodeEncodeError:
            number = next(n for n, value in enumerate(texts) if not _is_unicode(value))
            where = file.place(places[number])
            given = told(field, f"'{shown(texts[number])}'")
            raise RefusedInput(f"{where}: {given} holds half a character") from None
        if what == "id" and not typed:
            if pc.any(pc.match_substring_regex(array, ROUNDED)).as_py():
                to_texts(file, field, places, texts, lambda _, value: lists.untyped(value))
            array = pc.replace_substring_regex(array, f"^{lists.WHOLE.pattern}$", r"\1")
        arrays.append(array if what in LISTS else without_empty(array))
    return pa.table(arrays, names=["line", *contract.schema.names])


def target(field: pa.Field) -> pa.DataType:
    return pa.list_(pa.string()) if pa.types.is_list(field.type) else pa.string()


def without_empty(array: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)


def to_texts(
    file: TableFile, field: pa.Field, places: Sequence[int], values: Sequence[Any], text: Callable[[Kind, Any], Any]
) -> list[Any]:
    what = kind(field)
    texts: list[Any] = []
    try:
        for value in values:
            texts.append(None if value is None or value == "" else text(what, value))
    except ValueError as error:
        given = told(field, f"'{shown(values[len(texts)])}'")
        raise RefusedInput(f"{file.place(places[len(texts)])}: {given} {cannot(field)} ({error})") from error
    return texts


def told(field: pa.Field, value: str) -> str:
    """A column and its value in a message. Who the members are is for no message."""
    return field.name if field.name == "member_id" else f"{field.name} {value}"


def cannot(field: pa.Field) -> str:
    return {
        "id": "can't be an id",
        "ids": "can't be read as a list of ids",
        "texts": "can't be read as a list",
        "numbers": "can't be read as a list of numbers",
    }.get(kind(field), "can't be read")


def _is_unicode(value: Any) -> bool:
    try:
        "".join(value or ()).encode()
    except UnicodeEncodeError:
        return False
    return True


class SpelledLists:
    """Spelled lists to texts, each spelling once: the same few come again and again."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, Kind], list[str] | None] = {}

    def __call__(self, text: str, what: Kind) -> list[str] | None:
        if (text, what) not in self.known:
            if len(self.known) > ROWS:
                self.known.clear()
            self.known[text, what] = elements(lists.spelled(text), what, typed=False)
        return self.known[text, what]


def elements(values: Iterable[Any] | None, what: Kind, *, typed: bool) -> list[str] | None:
    if values is None:
        return None
    element = lists.number if what == "numbers" else partial(lists.element, is_id=what == "ids", typed=typed)
    found = (element(value) for value in values)
    return [each for each in found if each is not None]
