"""Lists as people write them into one value: JSON, Python, `{a,b}`, `[a, b]`, `a|b`, `a;b`, `a, b`, one word.

What is not surely a list in one of these spellings raises ValueError: half a list must not become one strange word.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import math
import re
import tokenize
from typing import Any


class Number(str):
    """A number as it was written, digit by digit."""


DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number)
WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0*")
ROUNDED = re.compile(r"-?\d\.\d+[eE]\+\d+")
"""How a table of numbers writes one that lost digits, or may have: `1.23457E+11`."""
NONE = ("NULL", "null", "None")
SEPARATORS = ("|", ";", ",")
QUOTED = r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
BARE = r"""([^\s,'"\[\]{}](?:[^,\[\]{}]*[^\s,\[\]{}])?)"""
TOKEN = re.compile(rf"\s*(?:{QUOTED}|{BARE})\s*(?:,|$)", re.S)


def spelled(text: str) -> list[Any] | None:
    """The elements of a written list, not yet judged (text, Number, None, dict ...); None of an empty value.

    Errors: ValueError.
    """
    text = text.strip()
    if not text or text in NONE:
        return None
    if text[0] == "[" and text[-1] == "]":
        return _bracketed(text)
    if text[0] == "{" and text[-1] == "}":
        return _tokens(text[1:-1])  # as Postgres writes arrays
    if text[0] in "[{" or text[-1] in "]}":
        raise ValueError("its brackets do not match")
    if text[0] == "(" and text[-1] == ")" and "," in text:
        return _bracketed(f"[{text[1:-1]}]")
    if text[0] == "'":
        return _tokens(text)
    for separator in SEPARATORS:
        if separator in text:
            try:
                (row,) = csv.reader([text], delimiter=separator, skipinitialspace=True, strict=True)
            except (csv.Error, ValueError) as error:
                raise ValueError("its quotes do not match") from error
            if any(each.count(left) != each.count(right) for each in row for left, right in ("[]", "{}")):
                raise ValueError("its brackets do not match")
            return [each.strip() for each in row]
    return _tokens(text) if text[0] == '"' else [text]


def _bracketed(text: str) -> list[Any]:
    try:
        value, end = DECODER.raw_decode(text)
        if end == len(text):
            return value  # type: ignore[no-any-return]
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError:
        pass
    try:
        return _python(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, tokenize.TokenError):
        return _tokens(text[1:-1])


def _python(text: str) -> list[Any]:
    """A list as Python prints it. Two strings side by side, as numpy prints them, would silently become one."""
    tree = ast.parse(text, mode="eval")
    constants = sum(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in ast.walk(tree))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    if constants != sum(token.type == tokenize.STRING for token in tokens):
        raise ValueError("two strings without a comma between them")
    found: list[Any] = ast.literal_eval(tree)
    return [Number(repr(each)) if type(each) in (int, float) else each for each in found]


def _tokens(text: str) -> list[Any]:
    """Elements between commas, bare or in quotes of either kind; a bare NULL is none."""
    found: list[Any] = []
    position = 0
    while text[position:].strip():
        token = TOKEN.match(text, position)
        if token is None:
            raise ValueError("its elements are not separated by commas")
        quoted, bare = token.groups()
        if quoted is not None:
            found.append(_unquoted(quoted))
        else:
            if re.search(r"[|;]", bare) or re.fullmatch(r"[\d.+-]+(\s+[\d.+-]+)+", bare):
                raise ValueError("in brackets, commas separate elements")
            found.append(None if bare in NONE else bare)
        position = token.end()
    return found


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.S)


def element(value: Any, *, is_id: bool, typed: bool) -> str | None:
    """The text of one element; None of one that is none. Errors: ValueError.

    `typed`: whether the form tells numbers from text. Of text it does not, a number is an id as it is written.
    """
    if isinstance(value, dict):
        if not isinstance(value.get("name"), str):
            raise ValueError("an element has no name")
        value = value["name"]
    if value is None or value == "":
        if is_id:
            raise ValueError("one of its ids is empty")
        return None
    if isinstance(value, bool):
        if typed:
            raise ValueError("an element is neither text nor a number")
        return str(value).lower()
    if isinstance(value, Number):
        if not math.isfinite(float(value)):
            raise ValueError("an element is no finite number")
        if typed:
            return whole(value) if is_id else str(value)
        return untyped(value) if is_id else str(value)
    if not isinstance(value, str):
        raise ValueError("an element is neither text nor a number")
    return untyped(value) if is_id and not typed else value


def number(value: Any) -> str:
    """The text of an element of a list of numbers, where each has its place; of none it is empty. Errors: ValueError.

    Whether it is a number is judged with all others, and a fault of its row alone.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        raise ValueError("an element is no number")
    return str(value)


def untyped(text: str) -> str:
    """An id out of a form without types: `81234567.0` is how a table with gaps writes 81234567. Errors: ValueError."""
    if ROUNDED.fullmatch(text):
        raise ValueError("a number that may have lost digits; write all of them")
    return whole(text) if WHOLE.fullmatch(text) else text


def unpointed(number: str) -> str:
    """A number as text: a whole one without its point."""
    found = WHOLE.fullmatch(number)
    return found[1] if found else number


def whole(number: str) -> str:
    """The digits of a number that is an id. Errors: ValueError of one that is not whole or not exact."""
    if re.fullmatch(r"-?\d+", number):
        return number
    value = float(number)
    if not value.is_integer():  # also of NaN and infinities
        raise ValueError("it is no whole number")
    if abs(value) >= 2**53:
        raise ValueError("so large a number with a point or exponent may have lost digits; write all of them")
    return str(int(value))
