"""A template: all words of a prompt that do not come from the data, read from a TOML file.

What is the same for many prompts (a title, a picture) is rendered here once. The rest is rendered by DuckDB, for which
`macros.py` turns the patterns into SQL; so each is written down in one place, and values are never searched for
placeholders. Sections and keys that came after the first template are optional, and no part of the fingerprint of a
template that leaves them out: such templates keep their key.
"""

from __future__ import annotations

import hashlib
import json
import string
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from featurize.errors import RefusedInput, did_you_mean
from featurize.inference.extractor import model_key
from featurize.prompting.text import CUT, clean, word

VERSION = 2
"""Raised whenever the code here, in `text` or in the SQL would make other prompts of the same template."""
WITHOUT_EARLIER = 1
"""The same for templates that do not speak of what was shown before: what has changed since does not touch them."""
DEFAULT = "multiple-choice-short-v2"
"""What stores without prompts begin with."""
FACTS = ("caption", "mood", "setting", "people", "composition", "text_on_artwork")
"""What is said of a picture, in that order."""
MARKS = "\ue000\ue001"
"""What sql/macros.sql marks lines and letters with while it renders: `clean` leaves neither in a value."""
_WHOLE = 2000
"""Characters of a caption that are read where its beginning is shown."""
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


def _left_out(value: Any) -> bool:
    return value is None


Later: Any = Field(None, exclude_if=_left_out)
"""A key that the first template does not have."""


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
    cast: Value | None = Later
    synopsis: Value | None = None


class _Candidate(_Words):
    line: Annotated[str, _only("letter", "description", needs=("letter", "description"))]
    between: str
    brief: bool | None = Later
    caption: Value | None = None
    mood: Value | None = None
    setting: Value | None = None
    people: Value | None = None
    composition: Value | None = None
    text_on_artwork: Value | None = None
    titled: Plain | None = Later
    genre: Annotated[str, _only("genre", "plays")] | None = Later
    depicts: Value | None = Later
    missing: Plain


class _What(_Words):
    play: Annotated[str, _only("minutes")]
    play_unmeasured: Plain
    play_so_far: Annotated[str, _only("minutes")] | None = Later
    play_begun: Plain | None = Later
    play_at_once: Plain | None = Later
    plays: Annotated[str, _only("times", "minutes")] | None = Later
    plays_unmeasured: Annotated[str, _only("times")] | None = Later
    broken_off: Annotated[str, _only("minutes")] | None = Later
    broken_off_below: int | None = Later
    thumbs_up: Plain
    thumbs_down: Plain
    list_add: Plain


class _Ago(_Words):
    now: Plain
    hours: Count
    days: Count
    weeks: Count | None = Later
    months: Count


class _History(_Words):
    recent: int = Field(ge=0)
    titles: int | None = Field(None, ge=1, exclude_if=_left_out)
    genres: int = Field(ge=1)
    all_genres: bool | None = Later
    until_then: bool | None = Later
    line: Annotated[str, _only("title", "what", "ago")]
    older: Annotated[str, _only("counts")]
    count: Annotated[str, _only("genre", "plays")]
    none: Plain
    title: _Title
    what: _What
    ago: _Ago


class _People(_Words):
    name: int = Field(ge=len(CUT) + 1)
    cast: int = Field(ge=0)
    depicts: int = Field(ge=0)
    in_line: int = Field(ge=1)
    most: int = Field(ge=1)
    at_least: int = Field(ge=1)
    line: Annotated[str, _only("counts")]
    count: Annotated[str, _only("name", "plays")]
    between: str
    each: Annotated[str, _only("name")]
    watched: Annotated[str, _only("name", "plays")]
    in_history: Annotated[str, _only("names")]


class _Now(_Words):
    place: int = Field(ge=len(CUT) + 1)
    section: Annotated[str, _only("now")]
    between: str
    time: Annotated[str, _only("weekday", "clock", "day", "part")] | None = None
    device: Value | None = None
    country: Value | None = None
    language: Value | None = None


class _Earlier(_Words):
    events: int = Field(ge=1)
    artworks: int = Field(ge=1)
    days: int = Field(ge=1)
    known_after: int = Field(ge=0)
    section: Annotated[str, _only("lines")]
    between: str
    event: Annotated[str, _only("what", "ago")]
    shown_once: Annotated[str, _only("letter", "ago", "outcome")]
    shown: Annotated[str, _only("letter", "times", "ago", "outcome", "before")]
    before: Annotated[str, _only("outcome", "ago")] | None = Later
    played: Plain
    broken_off: Annotated[str, _only("minutes")]
    not_played: Plain


class Template(_Words):
    """The content of a template file. Its attributes have the names and the order of that file."""

    system: Plain
    user: Annotated[str, _only("history", "title", "now", "earlier", "candidates", needs=("candidates",))]
    limits: _Limits
    title: _Title
    candidate: _Candidate
    history: _History
    people: _People | None = Later
    now: _Now | None = Later
    earlier: _Earlier | None = Later

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Errors: ValueError naming a key that others need."""
        what = self.history.what
        needed = {
            "history.what.plays": self.history.titles and what.plays is None,
            "history.what.plays_unmeasured": self.history.titles and what.plays_unmeasured is None,
            "history.what.broken_off_below": what.broken_off and what.broken_off_below is None,
            "earlier.before": self.earlier and "{before}" in self.earlier.shown and self.earlier.before is None,
            "people": self.people is None and (self.title.cast or self.history.title.cast or self.candidate.depicts),
            "now": self.now is None and "{now}" in self.user,
            "earlier": self.earlier is None and "{earlier}" in self.user,
        }
        missing = [key for key, lacking in needed.items() if lacking]
        if missing:
            raise ValueError(f"{missing[0]} is missing, and other keys need it")
        if not set(MARKS).isdisjoint(json.dumps(self.model_dump(), ensure_ascii=False)):
            raise ValueError("the characters U+E000 and U+E001 are not for use in a template")
        return self

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        content = json.dumps(self.model_dump(), sort_keys=True)
        version = VERSION if self.earlier else WITHOUT_EARLIER
        return {"backend": "template", "version": version, "sha256": hashlib.sha256(content.encode()).hexdigest()}

    @property
    def key(self) -> str:
        return model_key(self.fingerprint)

    @property
    def most(self) -> dict[str, int]:
        """How many of each the prompts say, as parameters of sql/rows.sql."""
        return {
            "lines": self.history.titles or self.history.recent,
            "genres": self.history.genres,
            "in_line": self.people.in_line if self.people else 1,
            "people": self.people.most if self.people else 1,
            "events": self.earlier.events if self.earlier else 1,
            "artworks": self.earlier.artworks if self.earlier else 1,
        }

    def genres(self, names: list[str] | None) -> list[str]:
        """The genres of a title that are spoken of, made harmless."""
        words = (word(name, self.limits.genre) for name in names or ())
        return [name for name in dict.fromkeys(words) if name][: self.limits.genres]

    def names(self, given: list[str] | None) -> list[str]:
        """The names of a list, made harmless; none where the template does not speak of people."""
        if self.people is None:
            return []
        limit = self.people.name
        return [name for name in dict.fromkeys(word(name, limit) for name in given or ()) if name]

    def title_texts(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """A row of `title` as the text under its heading and as it stands in a line of history."""
        people = self.people
        cast = [people.each.format(name=name) for name in self.names(row["cast"])[: people.cast]] if people else []
        values = {
            "name": clean(row["name"], self.limits.name) or "?",
            "year": "" if row["year"] is None else str(row["year"]),
            "genres": ", ".join(self.genres(row["genres"])),
            "cast": people.between.join(cast) if people else "",
            "synopsis": clean(row["synopsis"], self.limits.synopsis),
        }
        return _joined(self.title, values), _joined(self.history.title, values)

    def candidate_facts(self, row: Mapping[str, Any]) -> dict[str, str | None]:
        """What is known of a picture (columns of `description`, `people` for its people_count), each in its words."""
        values = {
            name: clean(row[name], self.limits.caption if name == "caption" else self.limits.detail)
            for name in ("caption", "mood", "setting", "composition", "text_on_artwork")
        }
        values["people"] = word(row["people"], self.limits.detail)
        if self.candidate.brief and values["caption"]:
            values["caption"] = beginning(clean(row["caption"], _WHOLE), self.limits.caption)
            values["people"] = values["composition"] = ""
            for name in ("mood", "setting"):
                values[name] = _not_in(values["caption"], values[name])
        patterns = {name: getattr(self.candidate, name) for name in FACTS}
        return {
            name: pattern.format(value=values[name]) if pattern and values[name] else None
            for name, pattern in patterns.items()
        }

    def facts_text(self, facts: Mapping[str, str | None]) -> str | None:
        """The same as one text; None for nothing."""
        return self.candidate.between.join(filter(None, facts.values())) or None


def lengths(tokens: npt.NDArray[np.int32], tokens_by: str) -> str:
    """How long prompts are, in a sentence. `tokens` has the length of each, at least of one."""
    most = int(np.quantile(tokens, 0.95, method="inverted_cdf"))
    unit = "characters" if tokens_by == "characters" else f"tokens of {tokens_by}"
    told = f"95 in 100 have at most {most:,}, the longest has {tokens.max():,}"
    return f"a prompt has {tokens.mean():,.0f} {unit} on average, {told}"


def names() -> list[str]:
    """The templates that ship."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name_or_path: str) -> Template:
    """A template that ships with the package, or a TOML file of your own. Errors: RefusedInput naming file and key."""
    bundled = names()
    path = _FOLDER / f"{name_or_path}.toml" if name_or_path in bundled else Path(name_or_path)
    try:
        return Template.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        near = did_you_mean(name_or_path, bundled)
        raise RefusedInput(
            f"template '{name_or_path}' is neither a file nor one of: {', '.join(bundled)}{near}"
        ) from error
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


def _joined(words: _Title, values: Mapping[str, str]) -> str:
    """The patterns of the fields that have a value, in the order in which the class declares them."""
    patterns = ((getattr(words, name), values[name]) for name in type(words).model_fields if name in values)
    return words.between.join(pattern.format(value=value) for pattern, value in patterns if pattern and value)


def beginning(text: str, limit: int) -> str:
    """A text up to the first clause that ends after two fifths of `limit` characters, or as many whole words."""
    ends = (
        at for at in range(limit * 2 // 5, min(limit + 1, len(text))) if text[at] in ",;." and text[at + 1 :][:1] in " "
    )
    end = next(ends, None)
    if end is not None or len(text) <= limit:
        return text[:end]
    return text[: limit + 1].rpartition(" ")[0] or text[:limit]


def _not_in(caption: str, value: str) -> str:
    """The parts of a value, between commas, that the caption does not say."""
    return ", ".join(part for part in value.split(", ") if part.casefold() not in caption.casefold())
