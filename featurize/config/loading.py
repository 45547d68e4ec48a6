"""From a profile and `--set` to settings, or to one sentence that says which key is wrong and what is near."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from featurize.config.models import SECTION_OF
from featurize.config.reference import MUST, choices_of, values_of
from featurize.config.settings import Settings
from featurize.errors import RefusedInput, did_you_mean
from featurize.models import load_backend
from featurize.storage import secrets

NEAR = 0.6
"""How much alike (0 to 1) an unknown setting must be to the one that is suggested."""
ALIKE = 0.75
"""The same for one of a few words: `gpu` is not meant to be `cpu`."""


def load(profile: str, overrides: Iterable[str] = ()) -> Settings:
    """The settings of a profile (a name of `infra/profiles` or a path) with `a.b=value` overrides on top.

    Values are TOML where they parse as TOML, `null` unsets, dates and anything else are text. Another backend than the
    profile's begins an empty section: what is right for one model is not for the other. Errors: RefusedInput naming the
    file or key.
    """
    path = profile_path(profile)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RefusedInput(f"{path}: {error}") from error
    wanted: list[tuple[str, Any]] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not all(key.split(".")):
            raise RefusedInput(f"--set {text}: expected a.b=value")
        wanted.append((key, _literal(value)))
    for section in SECTION_OF.values():
        backend, given = dict(wanted).get(f"{section}.backend"), values.get(section)
        if isinstance(backend, str) and isinstance(given, dict) and given.get("backend") != backend:
            del values[section]
    for key, value in wanted:
        _put(values, key.split("."), value)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(e, values) for e in error.errors())
        raise RefusedInput(f"settings ({path.name} and --set): {problems}") from error
    chosen = settings.model_dump(mode="json")
    secrets.learn(chosen)
    for _, address in secrets.texts(chosen["notify"]):  # whoever has it can speak for this run
        secrets.keep(address)
    for name, text in secrets.texts(chosen):
        if not text.strip():  # as of a variable that is not set: no store is meant by it, and no demo either
            raise RefusedInput(f"{name} is given and empty: give it a value, or leave it out")
        if not name.startswith("notify.") and (found := secrets.in_address(text)):
            raise RefusedInput(f"{name}: an address with {found} is refused; {secrets.WHERE_THEY_BELONG}")
    return settings


def profile_path(profile: str) -> Path:
    """Errors: RefusedInput naming the profiles there are."""
    if os.path.sep in profile or profile.endswith(".toml"):
        path = Path(profile)
        if not path.is_file():
            raise RefusedInput(f"profile '{profile}' is not a file")
        return path
    folder = Path(__file__).resolve().parents[2] / "infra" / "profiles"
    path = folder / f"{profile}.toml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.toml"))
        near = did_you_mean(profile, known)
        raise RefusedInput(f"profile '{profile}' is unknown; there are: {', '.join(known)}{near}")
    return path


def _problem(error: Any, values: Mapping[str, Any]) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "model_type":
        return f"{key}: a section, not a value; set one of its settings, such as {key}.…=…"
    if error["type"] == "value_error":  # one of ours
        return f"{key}: {str(error['msg']).removeprefix('Value error, ')}"
    if error["type"] == "missing":
        return f"{key}: {MUST}"
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    chosen = {name: table["backend"] for name, table in tables.items() if "backend" in table}
    given = error["input"]
    if error["type"] != "extra_forbidden":
        return f"{key}: {_reason(error['loc'], given, chosen)}"
    while isinstance(given, dict) and given:  # an unknown section: name the first setting in it
        inner, given = next(iter(given.items()))
        key += f".{inner}"
    of = f" of {chosen[error['loc'][0]]}" if error["loc"][0] in chosen else ""
    return f"{key}: no such setting{of}{_nearest(key, _keys(chosen))}"


def _reason(place: tuple[str | int, ...], given: Any, chosen: Mapping[str, str]) -> str:
    """Why a value is refused, in the words of the reference; an address is not repeated, for it may hold a secret."""
    section: Any = Settings
    for name in place:
        if section is Settings and name in chosen:
            section = load_backend(chosen[str(name)]).Settings
            continue
        inner = section_of(section.model_fields[name])
        if inner is None:
            break
        section = inner
    schema = section.model_json_schema()["properties"][name]
    what = "it" if "://" in str(given) else json.dumps(given, ensure_ascii=False, default=str)
    choices = choices_of(schema) or choices_of(schema.get("items", {}))
    return f"{what} is refused; wanted: {values_of(schema)}{did_you_mean(str(given), choices, ALIKE)}"


def _nearest(key: str, known: Iterable[str]) -> str:
    """Alike as a whole and in its last part: the right setting in a wrong section is nearer than a neighbour's name."""

    def likeness(other: str) -> float:
        pairs = ((key, other), (key.rpartition(".")[2], other.rpartition(".")[2]))
        return sum(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs) / len(pairs)

    nearest = max(known, key=likeness)
    return f"; did you mean {nearest}?" if likeness(nearest) >= NEAR else ""


def _keys(chosen: Mapping[str, str]) -> Iterator[str]:
    """Every setting and section there is, the model sections being of these backends."""

    def below(section: Any, prefix: str) -> Iterator[str]:
        for name, field in section.model_fields.items():
            yield prefix + name
            inner = load_backend(chosen[name]).Settings if not prefix and name in chosen else section_of(field)
            if inner is not None:
                yield from below(inner, f"{prefix}{name}.")

    return below(Settings, "")


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """What a setting that is a section itself, or may be one, consists of."""
    kinds = [each for each in (field.annotation, *get_args(field.annotation)) if isinstance(each, type)]
    return next((each for each in kinds if issubclass(each, BaseModel)), None)


def _literal(text: str) -> Any:
    if text == "null":
        return None
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
    # 2026-11-20 is more likely the name of a folder; a number may be one too, and becomes text where text is wanted.
    return text if isinstance(value, date | time) else value


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    *parents, last = keys
    for key in parents:
        child = values.setdefault(key, {})
        if not isinstance(child, dict):
            raise RefusedInput(f"--set {'.'.join(keys)}: '{key}' is not a section")
        values = child
    values[last] = value


def as_json(settings: Settings) -> str:
    """The resolved settings without secrets, for the `run` table."""
    return json.dumps(secrets.redact_all(settings.model_dump(mode="json")), sort_keys=True)
