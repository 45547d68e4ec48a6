"""What must never be read in a table, a log or a message: found and blotted out here, and nowhere else.

A secret is the value of an environment variable that is named like one (or is listed in `NAMES`), a value that `keep`
was told of, or what its surroundings say is one: `--api-key X`, `Authorization: Bearer X`, `password=X`,
`https://user:X@host`. Invariant: what `redact` returns has none of them. It is called where text leaves the run (rows
of `run` and `quarantine`, standard error, the log of a server) and, for the values that are known, where an answer of
somebody else's endpoint comes in.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

HIDDEN = "***"
NAMES = "ARTWORK_REDACT"
"""Environment variable with the names of those that hold secrets and are not named like it, separated by commas."""
SHORTEST = 6
"""Characters of a value from the environment; shorter ones are flags and numbers, and would blot out ordinary words."""
SHORTEST_KEPT = 4
"""Of a value that is certainly a secret."""

WHERE_THEY_BELONG = "credentials come from environment variables, such as AWS_* or that of describe.api_key_env"

_WORDS = r"(?:key|token|secret|password|passwd|passphrase|credentials?)"
_NAMED_LIKE_ONE = re.compile(rf"{_WORDS}s?(?:$|_)|_(?:pass|pwd)$", re.IGNORECASE)
_SAYS_WHERE = re.compile(r"_(?:FILE|PATH|DIR|URL|URI|MODE)$", re.IGNORECASE)
_PASSWORD_IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@:]*:([^/\s@]+)@", re.IGNORECASE)

_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"',;&()\[\]{}]+)"""
_FLAG = re.compile(rf"""((?<![\w-])-[\w-]*{_WORDS}(?:["']?\s*[=:,]\s*|["']?\s+))({_VALUE})""", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"""(\b[\w-]*?(?:api[_-]?key|access[_-]?key|private[_-]?key|(?!key){_WORDS})(?:["']\s*:\s*\[?\s*|\s*=\s*))({_VALUE})""",
    re.IGNORECASE,
)
_HEADER = re.compile(
    rf"""(\b(?:authorization|[\w-]*api-?key)["']?\s*:\s*["']?(?:(?:bearer|basic)\s+)?|\bbearer\s+)({_VALUE})""",
    re.IGNORECASE,
)
_USER = re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s@'\"]+@", re.IGNORECASE)
_QUERY = re.compile(r"([a-z][a-z0-9+.-]*://[^\s?'\"]*\?)[^\s'\"]*=[^\s'\"]*", re.IGNORECASE)
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)[^?#]*(\?[^#]*)?", re.IGNORECASE)

_kept: set[str] = set()


def keep(value: str) -> None:
    """From now on `value` is a secret of this process."""
    if len(value) >= SHORTEST_KEPT:
        _kept.add(value)


def learn(settings: Mapping[str, Any]) -> None:
    """Keep what these settings name: environment variables (`*_env`), and keys on a command line (`--api-key X`).

    So they are known also where a server repeats its arguments, or an endpoint the key it was sent.
    """
    for name, text in texts(settings):
        if name.endswith("_env"):
            named = {*os.environ.get(NAMES, "").split(","), text} - {""}
            os.environ[NAMES] = ",".join(sorted(named))  # workers and servers inherit it
        for found in (*_FLAG.finditer(text), *_ASSIGNED.finditer(text)):
            keep(found[2].strip("\"'"))


def texts(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The dotted name and the value of every text in nested settings."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from texts(value, f"{prefix}{name}.")
        elif isinstance(value, str):
            yield f"{prefix}{name}", value
        elif isinstance(value, list | tuple):
            yield from ((f"{prefix}{name}", each) for each in value if isinstance(each, str))


def redact(text: str) -> str:
    """`text` without secrets, whatever it is; each became `***`."""
    return _redacted(text, _now_known())


def _redacted(text: str, known: re.Pattern[str]) -> str:
    text = _USER.sub(rf"\1{HIDDEN}@", known.sub(HIDDEN, text))
    text = _QUERY.sub(rf"\1{HIDDEN}", text)
    for pattern in (_FLAG, _HEADER, _ASSIGNED):
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


def redact_all(value: Any) -> Any:
    """A JSON-able value with `redact` applied to every text in it."""
    known = _now_known()  # once: there may be thousands of texts

    def redacted(value: Any) -> Any:
        if isinstance(value, str):
            return _redacted(value, known)
        if isinstance(value, Mapping):
            return {name: redacted(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [redacted(each) for each in value]
        return value

    return redacted(value)


def hide_known(text: str) -> str:
    """`text` without the values that are known to be secret, also escaped for JSON, HTML or an URL, or in base64."""
    return _now_known().sub(HIDDEN, text)


def in_address(text: str) -> str | None:
    """What an address carries and must not, in words; None for an innocent one, and for text that is no address."""
    match = _ADDRESS.match(text)
    if match is None:
        return None
    if "@" in match[2]:
        return "a user or password"
    # `?` alone is a wildcard, or a letter of a key.
    if match[3] and ("=" in match[3] or match[1].lower().startswith("http")):
        return "a query"
    return None


def _now_known() -> re.Pattern[str]:
    return _pattern(_known(os.environ))


def _known(environment: Mapping[str, str]) -> frozenset[str]:
    found = set(_kept)
    named = environment.get(NAMES, "").split(",")
    for name, value in environment.items():
        if name in named and len(value) >= SHORTEST_KEPT:
            found.add(value)
        if _NAMED_LIKE_ONE.search(name) and not _SAYS_WHERE.search(name) and len(value) >= SHORTEST:
            found.add(value)
        if "://" in value:
            found |= {each for each in _PASSWORD_IN_ADDRESS.findall(value) if len(each) >= SHORTEST}
    return frozenset(found)


@lru_cache(maxsize=4)
def _pattern(values: frozenset[str]) -> re.Pattern[str]:
    lines = {line for value in values for line in value.split("\n") if len(line) >= 16}  # logs are redacted by the line
    spellings: set[str] = set()
    for value in {*values, *(value.strip() for value in values), *lines} - {""}:
        # Escaped for JSON or Python any number of times over, for HTML, for an URL, and as base64.
        spellings.add("".join(map(_escaped, value)))
        in_urls = {quote(value, safe, errors="surrogateescape") for safe in ("/", "")}
        in_base64 = base64.b64encode(os.fsencode(value)).decode().rstrip("=")
        spellings |= {re.escape(each) for each in (html.escape(value), in_base64, *in_urls)}
    return re.compile("|".join(sorted(spellings, key=len, reverse=True)) or r"(?!)")


def _escaped(character: str) -> str:
    """A pattern of one character, escaped or not."""
    if character == "\\":
        return r"\\+"
    if character in "\"'/":
        return rf"\\*{character}"
    name = json.dumps(character)[1:-1]
    return re.escape(character) if name == character else rf"(?:{re.escape(character)}|\\*{re.escape(name)})"
