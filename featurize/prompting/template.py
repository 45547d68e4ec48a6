"""A template: all words of a prompt that do not come from the data, read from a TOML file.

What is the same for many prompts (a title, a picture) is rendered here once. The rest is rendered by DuckDB: `macros`
turns the patterns into SQL, so that each is written down in one place, and values are never searched for placeholders.
"""

from __future__ import annotations

import hashlib
import json
import string
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from featurize.errors import RefusedInput, did_you_mean
from featurize.inference.extractor import model_key
from featurize.prompting.text import CUT, clean, word

VERSION = 1
"""Raised whenever the code here, in `text` or in sql/prompt_*.sql would make other prompts of the same template."""
LETTERS = string.ascii_uppercase + string.ascii_lowercase
"""Labels of the candidates: one token each in every common tokenizer."""
_FOLDER = Path(__file__).parent / "templates"


def _only(*placeholders: str, needs: tuple[str, ...] = ()) -> AfterValidator:
    """A pattern may use these placeholders and no others, as they are, and must use those of `needs`."""

    def check(pattern: str) -> str:
        used = set()
        for _, name, form, conversion in string.Formatter().parse(pattern):
            if name is not None and name not in placeholders:
                known = ", ".join(f"{{{each}}}" for each in placeholders)
                raise ValueError(
                    f"the placeholder {{{name}}} is unknown here; there {f'is {known}' if known else 'is none'}"
                )
            if form or conversion:
                raise ValueError(f"{{{name}}} stands for its text as it is: leave out what follows the name")
            used.add(name)
        for name in needs:
            if name not in used:
                raise ValueError(f"{{{name}}} is missing: without it a prompt has no answer")
        return pattern

    return AfterValidator(check)


Plain = Annotated[str, _only()]
Value = Annotated[str, _only("value")]
Count = Annotated[str, _only("count")]


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Limits(_Words):
    name: int = Field(ge=len(CUT) + 1)
    synopsis: int = Field(ge=len(CUT) + 1)
    caption: int = Field(ge=len(CUT) + 1)
    detail: int = Field(ge=len(CUT) + 1)
    genre: int = Field(ge=len(CUT) + 1)
    genres: int = Field(ge=0)


class _Title(_Words):
    between: str
    name: Value
    year: Value | None = None
    genres: Value | None = None
    synopsis: Value | None = None


class _Candidate(_Words):
    line: Annotated[str, _only("letter", "description", needs=("letter", "description"))]
    between: str
    caption: Value | None = None
    mood: Value | None = None
    setting: Value | None = None
    people: Value | None = None
    composition: Value | None = None
    text_on_artwork: Value | None = None
    missing: Plain


class _What(_Words):
    play: Annotated[str, _only("minutes")]
    play_unmeasured: Plain
    thumbs_up: Plain
    thumbs_down: Plain
    list_add: Plain


class _Ago(_Words):
    now: Plain
    hours: Count
    days: Count
    months: Count


class _History(_Words):
    recent: int = Field(ge=0)
    genres: int = Field(ge=1)
    line: Annotated[str, _only("title", "what", "ago")]
    older: Annotated[str, _only("counts")]
    count: Annotated[str, _only("genre", "plays")]
    none: Plain
    title: _Title
    what: _What
    ago: _Ago


class Template(_Words):
    """The content of a template file. Its attributes have the names and the order of that file."""

    system: Plain
    user: Annotated[str, _only("history", "title", "candidates", needs=("candidates",))]
    limits: _Limits
    title: _Title
    candidate: _Candidate
    history: _History

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        content = json.dumps(self.model_dump(), sort_keys=True)
        return {"backend": "template", "version": VERSION, "sha256": hashlib.sha256(content.encode()).hexdigest()}

    @property
    def key(self) -> str:
        return model_key(self.fingerprint)

    def genres(self, names: list[str] | None) -> list[str]:
        """The genres of a title that are spoken of, made harmless."""
        words = (word(name, self.limits.genre) for name in names or ())
        return [name for name in dict.fromkeys(words) if name][: self.limits.genres]

    def title_texts(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """A row of `title` as the text under its heading and as it stands in a line of history."""
        values = {
            "name": clean(row["name"], self.limits.name) or "?",
            "year": "" if row["year"] is None else str(row["year"]),
            "genres": ", ".join(self.genres(row["genres"])),
            "synopsis": clean(row["synopsis"], self.limits.synopsis),
        }
        return _joined(self.title, values), _joined(self.history.title, values)

    def candidate_text(self, row: Mapping[str, Any]) -> str | None:
        """What is known of a picture (columns of `description`, `people` for its people_count); None for nothing."""
        values = {
            name: clean(row[name], self.limits.caption if name == "caption" else self.limits.detail)
            for name in ("caption", "mood", "setting", "composition", "text_on_artwork")
        }
        values["people"] = word(row["people"], self.limits.detail)
        return _joined(self.candidate, values) or None

    def macros(self) -> list[str]:
        """CREATE statements of the DuckDB macros that sql/prompt_rows.sql calls."""
        what, ago, history = self.history.what, self.history.ago, self.history
        of_kind = " ".join(
            f"WHEN '{kind}' THEN {_sql(getattr(what, kind))}" for kind in ("thumbs_up", "thumbs_down", "list_add")
        )
        bodies = {
            "system_message()": _sql(self.system.strip()),
            "user_message(history, title, candidates)": _sql(self.user.strip()),
            "history_line(title, what, ago)": _sql(history.line),
            "what(kind, minutes)": f"CASE kind {of_kind} ELSE CASE WHEN minutes IS NULL THEN "
            f"{_sql(what.play_unmeasured)} ELSE {_sql(what.play)} END END",
            "ago(hours)": f"CASE WHEN hours < 1 THEN {_sql(ago.now)} "
            f"WHEN hours < 48 THEN {_sql(ago.hours, count='hours')} "
            f"WHEN hours < 60 * 24 THEN {_sql(ago.days, count='hours // 24')} "
            f"ELSE {_sql(ago.months, count='hours // (30 * 24)')} END",
            "older_line(counts)": _sql(history.older),
            "older_count(genre, plays)": _sql(history.count),
            "no_history()": _sql(history.none),
            "candidate_line(letter, description)": _sql(self.candidate.line),
            "not_described()": _sql(self.candidate.missing),
            "letter(place)": f"substr('{LETTERS}', place, 1)",
        }
        return [f"CREATE OR REPLACE TEMP MACRO {head} AS {body}" for head, body in bodies.items()]


def load(name_or_path: str) -> Template:
    """A template that ships with the package, or a TOML file of your own. Errors: RefusedInput naming file and key."""
    bundled = {path.stem: path for path in _FOLDER.glob("*.toml")}
    path = bundled.get(name_or_path, Path(name_or_path))
    try:
        return Template.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        names = ", ".join(sorted(bundled))
        near = did_you_mean(name_or_path, bundled)
        raise RefusedInput(f"template '{name_or_path}' is neither a file nor one of: {names}{near}") from error
    except ValidationError as error:
        # Before what is missing: a misspelt key is both.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        place = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            reason = f"no such key{did_you_mean(place, _keys(Template))}"
        raise RefusedInput(f"template {path}: {place}: {reason}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise RefusedInput(f"template {path}: {error}") from error


def _keys(words: type[BaseModel]) -> Iterator[str]:
    for name, field in words.model_fields.items():
        yield name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (f"{name}.{inner}" for inner in _keys(field.annotation))


def _joined(words: _Title | _Candidate, values: Mapping[str, str]) -> str:
    """The patterns of the fields that have a value, in the order in which the class declares them."""
    patterns = ((getattr(words, name), values[name]) for name in type(words).model_fields if name in values)
    return words.between.join(pattern.format(value=value) for pattern, value in patterns if pattern and value)


def _sql(pattern: str, **expressions: str) -> str:
    """A pattern as an SQL expression; a placeholder stands for the column or parameter of its name."""
    pieces = []
    for literal, name, *_ in string.Formatter().parse(pattern):
        if literal:
            pieces.append("'" + literal.replace("'", "''") + "'")
        if name:
            pieces.append(expressions.get(name, name))
    return f"concat({', '.join(pieces)})" if pieces else "''"
