"""Settings: defaults < TOML profile < `--set a.b=value`. Frozen, and unknown keys are refused by name."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, ValidationError

from featurize.errors import RefusedInput
from featurize.images.decode import Limits
from featurize.inference.extractor import ModelSettings
from featurize.models import load_backend


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class Input(Section):
    artwork: str | None = Field(None, description="folder or manifest; default: the demo catalogue")
    titles: str | None = Field(None, description="table of titles, checked against the artwork's title ids")
    history: str | None = Field(None, description="what members did: a file, or a folder or pattern of Parquet files")
    impressions: str | None = Field(
        None,
        description="what members were shown, in the same forms; nightly: only for the language of their members",
    )
    pairs: str | None = Field(None, description="members and titles to rank tonight, in the same forms")
    demo: Literal["small", "paper"] = Field("small", description="the demo world to use where no files are given")
    verify: bool = Field(False, description="read and hash every file again, changed or not")


class LimitSettings(Section):
    max_bytes: int = Field(Limits.max_bytes, ge=1, description="of a file")
    max_pixels: int = Field(Limits.max_pixels, ge=1, description="of a picture, from its header, before decoding")


class Run(Section):
    executor: Literal["ray", "local"] = Field("ray", description="local: in this process, for a debugger or no Ray")
    shard_images: int = Field(512, ge=1, description="images of one unit of work and of one Parquet part")
    threads: int | None = Field(None, ge=1, description="decoding threads of a worker; default: its CPUs")
    stall_seconds: float = Field(300, gt=0, description="a worker without progress for so long is ended")
    max_attempts: int = Field(3, ge=1, description="runs that try a retryable image")
    max_failed: float = Field(0.5, gt=0, le=1, description="share of images failing at which the run stops")


def _backend_settings(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "backend" not in value:
        raise ValueError("the key 'backend' is missing")
    return load_backend(value["backend"]).Settings.model_validate(value)


Model = Annotated[SerializeAsAny[ModelSettings] | None, BeforeValidator(_backend_settings)]


class Prompts(Section):
    kind: Literal["logged", "nightly"] = Field(
        "logged", description="logged: a prompt per impression, with its label; nightly: per pair to rank, without"
    )
    template: str = Field("multiple-choice-v1", description="a name of featurize/prompting/templates or a TOML file")
    descriptions: str | None = Field(None, description="model key; default: the model of the newest finished run")
    missing_description: Literal["placeholder", "drop", "skip"] = Field(
        "placeholder", description="for a candidate without one: say so in the prompt, leave it out, or skip the prompt"
    )
    as_of: AwareDatetime | None = Field(None, description="use only artwork and features from before this moment")
    member_key_env: str | None = Field(
        None, description="environment variable with a secret: member ids are written as keyed hashes"
    )
    seed: int = Field(0, description="of the order of candidates and the choice of held-out pairs")
    held_out: int = Field(
        5000,
        ge=0,
        description="member-title pairs of the first run not to train on; a tenth of them where this is more than half",
    )
    held_out_from: AwareDatetime | None = Field(
        None, description="hold out what was shown from this moment on, instead of pairs"
    )
    at: AwareDatetime | None = Field(
        None, description="nightly: the moment to rank for; default: now, and asked once a day (UTC)"
    )
    active_days: int | None = Field(
        None, ge=1, description="nightly without input.pairs: members active in so many days"
    )
    rank: tuple[str, ...] = Field((), description="nightly without input.pairs: title ids to rank for each of them")
    tokenizer: str | None = Field(None, description="folder with the ranker's tokenizer.json, to count tokens with")
    memory: str = Field(
        "3GB", pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$", description="of DuckDB; what does not fit goes to temporary files"
    )
    export: str | None = Field(None, description="folder to write sft-*.jsonl and dpo-*.jsonl to")


class Settings(Section):
    """All settings of a run. A model section is checked by the Settings of the backend it names."""

    input: Input = Input()
    store: str = Field("store", description="folder or s3:// address")
    limits: LimitSettings = LimitSettings()
    run: Run = Run()
    embed: Model = None
    labels: str = Field(
        "artwork-v1", description="label file of the tags: a name of featurize/featurizing/labels or a path"
    )
    describe: Model = None
    prompts: Prompts = Prompts()


def load(profile: str, overrides: Iterable[str] = ()) -> Settings:
    """The settings of a profile (a name of `infra/profiles` or a path) with `a.b=value` overrides on top.

    Values are TOML where they parse as TOML, `null` unsets, dates and anything else are text. Errors: RefusedInput
    naming the file or key.
    """
    path = profile_path(profile)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RefusedInput(f"{path}: {error}") from error
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not all(key.split(".")):
            raise RefusedInput(f"--set {text}: expected a.b=value")
        _put(values, key.split("."), _literal(value))
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {_reason(e)}" for e in error.errors())
        raise RefusedInput(f"settings ({path.name} and --set): {problems}") from error


def profile_path(profile: str) -> Path:
    """Errors: RefusedInput naming the profiles there are."""
    if os.path.sep in profile or profile.endswith(".toml"):
        path = Path(profile)
        if not path.is_file():
            raise RefusedInput(f"profile '{profile}' is not a file")
        return path
    folder = Path(__file__).resolve().parents[1] / "infra" / "profiles"
    path = folder / f"{profile}.toml"
    if not path.is_file():
        raise RefusedInput(f"profile '{profile}' is unknown; there are: {', '.join(_names(folder))}")
    return path


def _names(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.toml"))


def _reason(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "no such setting"
    return str(error["msg"]).removeprefix("Value error, ")


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
    """The resolved settings, for the `run` table."""
    return json.dumps(settings.model_dump(mode="json"), sort_keys=True)
