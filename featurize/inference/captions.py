"""What a captioner is asked, and how its answer becomes columns of `description`.

Invariant: every answer becomes a row. Whatever a model writes, `raw_text` keeps it and `status` says what it was worth;
`parse` never raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from featurize.errors import RefusedInput, did_you_mean
from featurize.inference.extractor import ModelSettings

Status = Literal["ok", "invalid_json", "invalid_fields", "truncated"]

_PROMPTS = Path(__file__).parent / "caption_prompts"
_DECODER = json.JSONDecoder(strict=False)  # models put plain line breaks inside strings


class CaptionerSettings(ModelSettings):
    """What every backend that describes understands."""

    retry_failed: bool = Field(
        False,
        description="ask again about pictures whose answer was cut off or could not be read, in run.max_attempts runs",
    )


@dataclass(frozen=True)
class Prompt:
    """A caption prompt. Its text is part of the model key, its name is for people."""

    name: str
    text: str


def load_prompt(name_or_path: str) -> Prompt:
    """A prompt that ships with the package (`artwork-v1`), or a UTF-8 text file of your own.

    Errors: RefusedInput when there is no such prompt, or it is empty or not text.
    """
    bundled = {path.stem: path for path in _PROMPTS.glob("*.txt")}
    path = bundled.get(name_or_path, Path(name_or_path))
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        names = ", ".join(sorted(bundled))
        near = did_you_mean(name_or_path, bundled)
        raise RefusedInput(f"caption prompt '{name_or_path}' is neither a file nor one of: {names}{near}") from error
    except UnicodeDecodeError as error:
        raise RefusedInput(f"caption prompt '{name_or_path}' is not UTF-8 text") from error
    if not text:
        raise RefusedInput(f"caption prompt '{name_or_path}' is empty")
    return Prompt(path.stem, text)


def parse(raw_text: str, finish_reason: str) -> dict[str, Any]:
    """One answer to the columns caption, subjects, people_count, mood, setting, composition, text_on_artwork, palette,
    raw_text and status.

    A ```json fence or prose around the object is accepted. `status` is `ok`; `invalid_fields` when a field is missing
    or of the wrong type (it is None then, the others are kept); `invalid_json` when there is no object; `truncated`
    when there is none because the output cap was reached (finish_reason `length`).
    """
    columns: dict[str, Any] = dict.fromkeys(_FIELDS)
    columns["raw_text"] = _storable(raw_text)
    answer = _find_object(raw_text)
    if answer is None:
        columns["status"] = "truncated" if finish_reason == "length" else "invalid_json"
        return columns
    status: Status = "ok"
    for name, read in _FIELDS.items():
        try:
            columns[name] = read(answer.get(name))
        except TypeError:
            status = "invalid_fields"
    columns["status"] = status
    return columns


def _find_object(text: str) -> dict[str, Any] | None:
    """The first JSON object that has a field of ours, else the first one, else None."""
    found: list[dict[str, Any]] = []
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
            found.append(value)
        except ValueError:  # not JSON from here, or a number of thousands of digits
            end = at + 1
        except RecursionError:  # thousands of levels: no answer to us, and each would be tried in turn
            break
        at = text.find("{", end)
    return next((each for each in found if not _FIELDS.keys().isdisjoint(each)), found[0] if found else None)


def _storable(text: str) -> str:
    """JSON may escape half of a surrogate pair, which no UTF-8 column can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return _storable(value.strip())


def _text_or_none(value: object) -> str | None:
    return None if value is None or (isinstance(value, str) and not value.strip()) else _text(value)


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    return [_text(each) for each in value]


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise TypeError
    return value


_FIELDS: dict[str, Callable[[object], Any]] = {
    "caption": _text,
    "subjects": _texts,
    "people_count": _count,
    "mood": _text,
    "setting": _text,
    "composition": _text,
    "text_on_artwork": _text_or_none,
    "palette": _texts,
}
