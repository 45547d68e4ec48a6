"""The reference of all settings, made of what is declared: key, what it may be, default, and what it is for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from featurize.config.models import SECTION_OF
from featurize.config.settings import Settings
from featurize.inference.extractor import ModelSettings
from featurize.models import backends, load_backend

MUST = "must be given"


@dataclass(frozen=True)
class Setting:
    """A line of the reference: key, what it may be, default, and what it is, all in words."""

    key: str
    values: str
    default: str
    description: str


@dataclass(frozen=True)
class Chapter:
    title: str
    words: str
    settings: list[Setting]


def chapters() -> Iterator[Chapter]:
    """The reference of all settings: those of the profile's top, of each section, of any backend and of each one."""
    whole = Settings.model_json_schema()
    sections = {
        name: whole["$defs"][field["$ref"].rpartition("/")[2]]
        for name, field in whole["properties"].items()
        if "$ref" in field
    }
    top = {name: field for name, field in whole["properties"].items() if name not in sections}
    yield Chapter("At the top", "Above all sections.", _settings("", {"properties": top}))
    for name, section in sections.items():
        yield Chapter(f"[{name}]", section["description"], _settings(f"{name}.", section, whole["$defs"]))
    models = {name: load_backend(name) for name in backends()}
    models = {name: model for name, model in models.items() if model.Extractor.table in SECTION_OF}
    shared = ModelSettings.model_json_schema()
    shared["properties"]["backend"]["enum"] = list(models)
    words = f"What every model section understands: MODEL is {' or '.join(SECTION_OF.values())}."
    yield Chapter(f"[{'], ['.join(SECTION_OF.values())}]", words, _settings("MODEL.", shared))
    for name, model in models.items():
        section, own = SECTION_OF[model.Extractor.table], model.Settings.model_json_schema()
        del own["properties"]["backend"]
        own["properties"] = {k: v for k, v in own["properties"].items() if v != shared["properties"].get(k)}
        words = " ".join((model.__doc__ or "").partition("\n\n")[0].split())
        yield Chapter(f'[{section}] backend = "{name}"', words, _settings(f"{section}.", own, own.get("$defs")))


def _settings(prefix: str, schema: Mapping[str, Any], sections: Mapping[str, Any] | None = None) -> list[Setting]:
    """The settings of a section; those of a section in it stand in its place, or behind it where it may be null."""
    must = schema.get("required", ())
    found: list[Setting] = []
    for name, field in schema["properties"].items():
        if not (sections and "$ref" in field):
            default = MUST if name in must else _written(field["default"])
            found.append(Setting(prefix + name, values_of(field), default, field.get("description", "")))
        for inner in (field, *field.get("anyOf", ())):
            if sections and "$ref" in inner:
                found += _settings(f"{prefix}{name}.", sections[inner["$ref"].rpartition("/")[2]], sections)
    return found


def values_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words: `whole number from 1`."""
    if choices := choices_of(schema):
        return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    options = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    return " or ".join(map(_kind, options)) + "".join(f", such as {_written(e)}" for e in schema.get("examples", ()))


def choices_of(schema: Mapping[str, Any]) -> list[str]:
    """What a setting may be, where these are a few words."""
    options = schema.get("anyOf", [schema])
    return [_written(c) for each in options for c in each.get("enum", [each["const"]] if "const" in each else [])]


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return "section"
    kind = _KINDS.get(schema.get("format", ""), _KINDS[schema["type"]])
    if schema["type"] == "array":
        items = schema["items"] if "items" in schema else schema["prefixItems"][0]
        kind += f" of {values_of(items)}" if choices_of(items) else f" of {_kind(items)}s"
    return kind + "".join(f" {word} {_written(schema[bound])}" for bound, word in _BOUNDS.items() if bound in schema)


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "section",
    "date": "date such as 2026-01-31",
    "date-time": "moment with a zone",
    "path": "path",
    "uri": "address",
}
_BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def _written(value: Any) -> str:
    """A value as `--set` takes it."""
    if value is None or isinstance(value, str):
        return "null" if value is None else value
    return f"{value:_}" if isinstance(value, int) and not isinstance(value, bool) else json.dumps(value)
