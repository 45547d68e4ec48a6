"""Settings: defaults < TOML profile < `--set a.b=value`. Frozen; an unknown key is refused with the nearest one.

Invariant: what is declared here and in the backends is all there is; `chapters` makes the reference of it.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from datetime import date as DateOnly
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo

from featurize.errors import RefusedInput, did_you_mean
from featurize.images.decode import Limits
from featurize.inference.exploration import Explore
from featurize.inference.extractor import ModelSettings
from featurize.media.decode import Limits as ClipLimits
from featurize.models import backends, load_backend
from featurize.rankers import load_ranker
from featurize.rankers.linucb import Settings as LinucbSettings
from featurize.rankers.llm import Settings as LlmSettings
from featurize.rankers.openai import Settings as OpenaiSettings
from featurize.rankers.thompson import Settings as ThompsonSettings
from featurize.storage import secrets

MUST = "must be given"
NEAR = 0.6
"""How much alike (0 to 1) an unknown setting must be to the one that is suggested."""
ALIKE = 0.75
"""The same for one of a few words: `gpu` is not meant to be `cpu`."""
SECTION_OF = {
    "image_embedding": "embed",
    "description": "describe",
    "clip_description": "describe_clips",
    "transcript": "transcribe",
    "sound_description": "describe_sound",
    "text_embedding": "text",
}
"""By the table that a backend fills, the section that names it."""
FEATURES = (
    *("id", "title", "synopsis", "description", "transcript", "sound", "clip", "joined_text", "joined_vectors"),
    *("shuffled", "random"),
)
"""What `make recommend` knows titles by."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


def _time_zone(name: str) -> str:
    try:
        return name if name == "UTC" else ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone '{name}'; there are UTC, Europe/Paris, ...") from error


TimeZone = Annotated[str, AfterValidator(_time_zone)]


def _web_host(name: str) -> str:
    """In the one spelling. Errors: ValueError."""
    try:
        url = httpx.URL(f"https://{name}")
    except httpx.InvalidURL as error:
        raise ValueError(f"'{name}' is no host ({error})") from error
    if not re.fullmatch(r"[\w.-]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?", name):
        raise ValueError("a host is wanted, such as cdn.example.com, with its port where that is not 443")
    return url.netloc.decode("ascii")


def _no_twins(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("one is named twice")
    return names


class Input(Section):
    """What the jobs read."""

    artwork: str | None = Field(None, description="folder or manifest; default: the demo catalogue")
    titles: str | None = Field(None, description="table of titles, checked against the artwork's title ids")
    history: str | None = Field(None, description="what members did: a file, folder or pattern of CSV, JSON or Parquet")
    impressions: str | None = Field(
        None,
        description="what members were shown, in the same forms; nightly: what pairs do not say of their members",
    )
    pairs: str | None = Field(None, description="members and titles to rank tonight, in the same forms")
    time_zone: TimeZone | None = Field(
        None, description="zone of times that do not say theirs, such as UTC; without it they are refused"
    )
    demo: Literal["small", "paper"] = Field("small", description="the demo world to use where no files are given")
    verify: bool = Field(False, description="read and hash every file again, changed or not")
    root: str | None = Field(
        None, description="files outside this folder, links followed, are not read; for manifests from elsewhere"
    )
    read_seconds: float = Field(
        60, gt=0, description="a file that is not read by then is quarantined as timeout; more for a slow network"
    )
    hosts: Annotated[tuple[Annotated[str, AfterValidator(_web_host)], ...], AfterValidator(_no_twins)] = Field(
        (), description="hosts, such as cdn.example.com, whose https:// addresses a manifest may hold; none by default"
    )
    host_connections: int = Field(
        8, ge=1, le=64, description="requests that are under way at one of input.hosts at once, from the whole run"
    )
    ask_every_days: int = Field(
        1,
        ge=1,
        le=366,
        description="a known picture on input.hosts is asked for on one day in so many, each on its own, whether it has"
        " changed; on the others it counts as unchanged",
    )
    loopback: bool = Field(False, description="for tests: one of input.hosts may be this machine")
    max_removed: float = Field(
        0.2, ge=0, le=1, description="share of the source's artworks, from 20 on, that may be gone from it at once"
    )


class LimitSettings(Section):
    """What a picture may be, at most."""

    max_bytes: int = Field(Limits.max_bytes, ge=1, description="bytes of a file")
    max_pixels: int = Field(Limits.max_pixels, ge=1, description="pixels of a picture, by its header, before decoding")


class Clips(Section):
    """Videos and sound of the catalogue: what decodes them, and what a clip may be, at most."""

    ffmpeg: str = Field("ffmpeg", min_length=1, description="command that decodes clips, by name or path")
    ffprobe: str = Field("ffprobe", min_length=1, description="command that looks into them; comes with ffmpeg")
    max_bytes: int = Field(
        ClipLimits.max_bytes, ge=1, description="bytes of a file whose name ends as those of clips do, such as .mp4"
    )
    max_seconds: float = Field(ClipLimits.max_seconds, gt=0, description="length of a clip; longer ones are too_long")
    max_pixels: int = Field(ClipLimits.max_pixels, ge=1, description="pixels of one frame, before it is reduced")
    decode_seconds: float = Field(
        ClipLimits.decode_seconds,
        gt=0,
        description="time that decoding one clip may take, after which it is killed",
    )


class Run(Section):
    """How the work is done; nothing here changes the numbers that come out."""

    executor: Literal["ray", "local"] = Field("ray", description="local: in this process, for a debugger or no Ray")
    shard_images: int = Field(512, ge=1, description="images of one unit of work and of one Parquet part")
    threads: int | None = Field(None, ge=1, description="decoding threads of a worker; default: its CPUs")
    decode_pixels: int = Field(
        Limits.max_pixels,
        ge=1,
        description="pixels a worker holds at once while it decodes, whatever its threads: about 1 GB; raise it for "
        "many threads and large pictures, lower it where memory is short",
    )
    stall_seconds: float = Field(300, gt=0, description="a worker without progress for so long is ended")
    wait_for_nodes: float = Field(
        0,
        ge=0,
        description="on a cluster whose nodes come when they are asked for, the seconds to wait for one: MODEL.workers"
        " workers are asked for, and work as they get a place",
    )
    metrics_file: str | None = Field(
        None,
        description="file for node-exporter's textfile collector, such as /var/lib/metrics/artwork.prom; on a Ray"
        " cluster metrics go to Ray, too",
    )
    max_attempts: int = Field(3, ge=1, description="how many runs try a picture that failed in a way that may pass")
    max_failed: float = Field(0.5, gt=0, le=1, description="share of pictures failing at which the run stops")
    when_held: Literal["fail", "skip"] = Field(
        "fail",
        description="where another run holds the lease: end with code 3, or with 0 and a note, for schedulers that try"
        " every failure again",
    )
    deadline: str | None = Field(
        None,
        description="no shard and no part of a night begins after it: a time of the day with its zone, such as 06:00"
        " Europe/Paris, or hours of it, such as 22:00 to 06:00 Europe/Paris, outside which nothing begins, or a"
        " duration from the start, such as 4h30m; what is left is for the next run",
    )
    log_json: bool = Field(
        False, description="the line that tells of each committed shard is JSON; on a terminal there is none without"
    )


def _backend_settings(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("backend") is None:
        raise ValueError("the key 'backend' is missing")
    backend = load_backend(str(value["backend"]))
    section = info.field_name
    wanted = next(table for table, name in SECTION_OF.items() if name == section)
    made = backend.Extractor.table
    takes_pictures = section == "describe" and backend.Extractor.input == "image"
    if made != wanted and not takes_pictures:  # tags are made of the vectors of embed, for one
        raise ValueError(f"backend '{value['backend']}' makes rows of {made}, not of {wanted}")
    return backend.Settings.model_validate(value)


Model = Annotated[SerializeAsAny[ModelSettings] | None, BeforeValidator(_backend_settings)]


def _model_key(value: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", value):
        raise ValueError("a model key is wanted, as in table model, and no path")
    return value


ModelKey = Annotated[str, AfterValidator(_model_key)]


def _no_number(value: Any) -> Any:
    # Read as seconds since 1970, 20260131 would be a day in August 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and value.lstrip("+-").isdecimal()):
        raise ValueError("a time with a zone is wanted, such as 2026-01-31T12:00:00Z, and no number")
    return value


def _date(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
        raise ValueError("a date is wanted, such as 2026-01-31")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC this is not in the years 1 to 9999") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]
"""A time with a zone, kept in UTC."""


def _memory(text: str) -> str:
    if not float(text.rstrip("KMGTiB ")):
        raise ValueError("more than nothing is needed")
    return text


class MaxLost(Section):
    """Shares of the input that may be lost for one reason before the run ends without having committed anything."""

    history: float = Field(
        0.5,
        ge=0,
        le=1,
        description="largest share of history rows: unknown titles or events, incomplete, from the future; and of those"
        " given again",
    )
    minutes: float = Field(
        0.5,
        ge=0,
        le=1,
        description="largest share of the minutes of plays, or of impressions: those that cannot be used",
    )
    unknown_title: float = Field(
        0.2, ge=0, le=1, description="largest share of impressions or pairs: for titles that input.titles lacks"
    )
    unknown_candidate: float = Field(
        0.2,
        ge=0,
        le=1,
        description="largest share of impressions: with a candidate that the catalogue did not offer then",
    )
    few_candidates: float = Field(
        0.5,
        ge=0,
        le=1,
        description="largest share of impressions or pairs: with fewer than two artworks to choose from",
    )
    no_description: float = Field(
        0.2,
        ge=0,
        le=1,
        description="largest share of impressions or pairs: for want of descriptions, see missing_description",
    )
    duplicate_id: float = Field(
        0.5,
        ge=0,
        le=1,
        description="largest share of impressions or pairs: there already; a log delivered twice has half of them",
    )
    other: float = Field(
        0.2, ge=0, le=1, description="largest share of impressions or pairs: for each reason that is not named here"
    )


class Prompts(Section):
    """What `make prompts` asks."""

    kind: Literal["logged", "nightly"] = Field(
        "logged", description="logged: a prompt per impression, with its label; nightly: per pair to rank, without"
    )
    template: str | None = Field(
        None,
        description="a name of featurize/prompting/templates or a TOML file; default: that of the current recipe, or"
        " multiple-choice-short-v1 in a store without prompts",
    )
    descriptions: ModelKey | None = Field(None, description="model key; default: the current model (see pin)")
    missing_description: Literal["placeholder", "drop", "skip"] = Field(
        "placeholder", description="for a candidate without one: say so in the prompt, leave it out, or skip the prompt"
    )
    unknown_candidate: Literal["skip", "placeholder"] = Field(
        "skip",
        description="an impression with a candidate that the catalogue did not offer then, or above its max_maturity:"
        " the propensity is of other choices than a prompt without it would show, so make no prompt, or show the"
        " candidate as not described",
    )
    max_lost: MaxLost = Field(
        MaxLost(), description="shares of the input that may be lost for a reason; above, the run ends without a commit"
    )
    min_described: float = Field(
        0.8,
        ge=0,
        le=1,
        description="share of the candidates' pictures that the model must have described, or the run ends",
    )
    min_with_history: float = Field(
        0.2, ge=0, le=1, description="share of the members asked about that must have history, or the run ends"
    )
    as_of: Moment | None = Field(None, description="use only artwork and features from before this moment")
    member_key_env: str | None = Field(
        None, description="environment variable with a secret: member ids are written as keyed hashes"
    )
    show: str | None = Field(
        None,
        min_length=1,
        description="make no prompts, but print those of this member, impression or prompt that are there (SHOW=)",
    )
    seed: int = Field(
        0, ge=-(2**63), lt=2**63, description="seed of the order of candidates and the choice of held-out pairs"
    )
    held_out: int = Field(
        5000,
        ge=0,
        le=2**31,
        description="member-title pairs of the first run not to train on; a tenth of them where this is more than half",
    )
    held_out_from: Moment | None = Field(
        None, description="hold out what was shown from this moment on, instead of pairs"
    )
    at: Moment | None = Field(
        None, description="nightly: the moment to rank for; default: now, and asked once a day (UTC)"
    )
    active_days: int | None = Field(
        None, ge=1, le=36_500, description="nightly without input.pairs: members active in so many days"
    )
    rank: tuple[str, ...] = Field((), description="nightly without input.pairs: title ids to rank for each of them")
    rebuild: bool = Field(
        False, description="make prompts that are there again, of what the input asks for, in the place of the old ones"
    )
    tokenizer: str | None = Field(None, description="folder with the ranker's tokenizer.json, to count tokens with")
    memory: Annotated[str, AfterValidator(_memory)] = Field(
        "3GB",
        pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$",
        examples=["500MB"],
        description="memory of DuckDB; what does not fit goes to temporary files",
    )
    buckets: int = Field(
        1,
        ge=1,
        le=10_000,
        description="above 1, members are dealt into so many, whose prompts workers of run.executor make: for histories"
        " that take one machine too long; each worker has prompts.memory",
    )
    cpus: int = Field(2, ge=1, description="with buckets: CPUs of a worker")
    export: str | None = Field(None, description="folder to write sft-*.jsonl and dpo-*.jsonl to")


class Teacher(Section):
    """Who writes the rationales of method sft_reasoning: an OpenAI-compatible endpoint."""

    address: str | None = Field(
        None, description="base URL of a running endpoint, such as http://host:8000/v1; needs posttrain.teacher.model"
    )
    model: str | None = Field(None, description="the model's name there")
    revision: str | None = Field(None, description="your name for its weights, to be changed with them")
    api_key_env: str | None = Field(None, description="environment variable that holds the endpoint's key")
    concurrency: int = Field(16, ge=1, description="requests that are under way at once")
    max_new_tokens: int = Field(160, ge=1, description="cap on the tokens of a rationale")
    timeout_s: float = Field(180, gt=0, description="seconds that one request may take")


class Posttrain(Section):
    """What `make posttrain` trains, and on what."""

    base: str = Field(
        "bundled:ranker", description="the causal LM to go on from: bundled:<name>, a folder, or a hub id"
    )
    revision: str | None = Field(None, description="of a hub id: the commit, tag or branch")
    method: Literal["weighted", "sft", "sft_reasoning", "dpo"] = Field(
        "weighted",
        description="weighted: every answer logged, by its reward / propensity; sft: those that ended in a quality"
        " play; sft_reasoning: these, and their rationales; dpo: these against the other candidates",
    )
    output: str = Field("model", min_length=1, description="folder that the model appears in, whole")
    lora: int | None = Field(None, ge=1, description="rank of a LoRA adapter on all linear layers; null: all weights")
    merge: bool = Field(False, description="with lora: also write base and adapter as one model, to <output>/merged")
    device: Literal["cpu", "cuda"] = Field("cpu", description="cuda: a GPU, and an error where there is none")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the arithmetic: bfloat16 where the machine is fast at it; weights learn in float32"
    )
    threads: int | None = Field(None, ge=1, description="CPU threads; default: the CPUs this process may use")
    epochs: int = Field(3, ge=1, description="how often each prompt is learnt from, its candidates in another order")
    batch_size: int = Field(32, ge=1, description="examples of one step, those of all devices together")
    at_once: int = Field(
        16, ge=1, description="examples that a device holds at once; batch_size is reached by gradient accumulation"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="highest learning rate; default: 3e-4, a tenth of it for dpo"
    )
    clip: float = Field(
        20, ge=1, description="weighted: the most that 1 / propensity counts; smaller is steadier and more biased"
    )
    beta: float = Field(0.1, gt=0, description="dpo: how strongly it is held to its base")
    max_tokens: int | None = Field(
        None, ge=1, description="tokens a prompt and its answer may have; default: what the base can read"
    )
    validation: float = Field(
        0.1, ge=0, lt=1, description="share of the training members to keep back, to see when to stop"
    )
    readings: int = Field(
        10, ge=1, description="how often, evenly over the run, these are read and a checkpoint is written"
    )
    patience: int | None = Field(3, ge=1, description="readings without a lower log-loss to stop after; null: never")
    seed: int = Field(0, ge=0, lt=2**32, description="of the order of examples and candidates, and who is kept back")
    rationales: str | None = Field(
        None, description="sft_reasoning: Parquet or JSON lines with prompt_id and rationale; default: ask the teacher"
    )
    teacher: Teacher = Teacher()


def _ranker(name: str) -> str:
    load_ranker(name)
    return name


def _explore(text: str) -> str:
    Explore.of(text)
    return text


class Rank(Section):
    """How `make rank` orders the candidates of prompts."""

    rankers: Annotated[tuple[Annotated[str, AfterValidator(_ranker)], ...], AfterValidator(_no_twins)] = Field(
        ("random", "popular", "clip", "linucb", "thompson", "logged", "logged_greedy", "llm"),
        description="names of files in featurize/rankers",
    )
    models: Annotated[tuple[str, ...], AfterValidator(_no_twins)] = Field(
        (),
        description="causal LMs with a chat template that ranker llm reads the letters of: folders (also of adapters),"
        " bundled:<name> or owner/name@revision; default: what make posttrain began with, and what it made",
    )
    split: Literal["held_out", "train", "all"] = Field(
        "held_out", description="which logged prompts; of nightly ones all are ranked"
    )
    orders: int = Field(
        1, ge=1, description="orders of its candidates in which an LLM is asked each prompt; their scores are averaged"
    )
    prior: Literal["none", "pride"] = Field(
        "none",
        description="pride: what an LLM answers whatever is asked, estimated on one prompt in twenty, is taken off its"
        " letters",
    )
    min_letter_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of its probability that an LLM must give to the candidates' letters, on average; below, it"
        " does not answer the question: the run says so, and chooses nothing by it",
    )
    seed: int = Field(0, ge=-(2**63), lt=2**63, description="seed of what is drawn")
    shard_prompts: int = Field(512, ge=1, description="prompts of one unit of work and of one Parquet part")
    explore: Annotated[str, AfterValidator(_explore)] = Field(
        "none",
        description="how often another artwork than the best is shown: none, epsilon:0.1 (one in ten times any of"
        " them), or softmax:0.5 (probabilities to the power of 1/0.5)",
    )
    llm: LlmSettings = LlmSettings()
    openai: OpenaiSettings | None = Field(
        None, description="the LLM behind an endpoint that ranker openai reads the letters of, or null for none"
    )
    linucb: LinucbSettings = LinucbSettings()
    thompson: ThompsonSettings = ThompsonSettings()

    @model_validator(mode="after")
    def _all_are_set(self) -> Self:
        for name in self.rankers:
            must = [key for key, field in load_ranker(name).Settings.model_fields.items() if field.is_required()]
            if must and getattr(self, name, None) is None:
                raise ValueError(f"ranker '{name}' needs settings of its own: rank.{name}.{must[0]}, for one")
        return self


class Evaluate(Section):
    """What `make evaluate` compares, and by what. Name estimator and baseline before you look at the figures."""

    estimator: Literal["dr", "beta_ips", "snips", "ips"] = Field(
        "dr", description="what policies are ordered, sliced and drawn by; all the others are told too"
    )
    baseline: str = Field(
        "logged",
        description="policy that the others are compared with: logged (production as logged), logged_greedy (its"
        " likeliest choice), or the short name of a ranker",
    )
    models: tuple[ModelKey, ...] = Field(
        (), description="model keys of the rankers to compare; default: all that ranked the held-out prompts"
    )
    min_effective: float = Field(
        50, ge=0, description="rounds without weights that a policy's must be worth, or its figures are warned of"
    )
    clip: float = Field(10, ge=1, description="the largest weight that clipped IPS counts")
    doubtful: Literal["refuse", "warn"] = Field(
        "refuse",
        description="where the log's propensities do not fit what was shown, so that no figure can be trusted: end the"
        " run, or only say so",
    )
    draws: int = Field(1000, ge=100, le=100_000, description="draws of the bootstrap that intervals are made of")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of these draws, and of the folds of the reward model")
    plot: str | None = Field("evaluation.png", description="file of the plot; null for none")


def _feature(name: str) -> str:
    plain = name.removeprefix("id+")
    if plain not in FEATURES or (plain != name and plain == "id"):
        near = did_you_mean(plain, FEATURES)
        raise ValueError(f"'{name}' is none of: {', '.join(FEATURES)}, or one of these with an id: id+clip{near}")
    return name


class Recommend(Section):
    """What `make recommend` compares, and how it trains. Name the baseline before you look at the figures."""

    features: Annotated[tuple[Annotated[str, AfterValidator(_feature)], ...], AfterValidator(_no_twins)] = Field(
        tuple(name for name in FEATURES if name != "synopsis"),
        min_length=1,
        description="what titles are known by; id+NAME adds an id. One that the store has no vectors for is left out",
    )
    models: Annotated[tuple[Literal["two_towers", "sasrec"], ...], AfterValidator(_no_twins)] = Field(
        ("two_towers", "sasrec"), min_length=1, description="recommenders: a mean of what was played, or attention"
    )
    splits: Annotated[tuple[Literal["rolling_days", "new_titles", "leave_one_out"], ...], AfterValidator(_no_twins)] = (
        Field(
            ("rolling_days", "new_titles"),
            min_length=1,
            description="rolling_days: the last days, each from all before it; new_titles: the same of titles that"
            " nobody had played; leave_one_out: each member's last title, as MicroLens does it",
        )
    )
    days: int = Field(28, ge=1, description="days that are asked; as many before them validate")
    seeds: int = Field(3, ge=1, le=100, description="trainings of each, from other beginnings")
    baseline: str = Field("id", description="features that the others are compared with")
    vectors: str | None = Field(
        "description", description="features whose titles, artworks and members get vectors to serve, or null for none"
    )
    width: int = Field(32, ge=2, multiple_of=2, description="numbers of a title's and of a member's vector")
    length: int = Field(30, ge=1, description="plays that a member's vector is made of, the last ones")
    epochs: int = Field(60, ge=1, description="how often the plays are learnt from, at most")
    patience: int = Field(3, ge=1, description="epochs without a better validation to stop after")
    batch: int = Field(64, ge=1, description="members of one step, or pieces of long histories")
    learning_rate: float = Field(
        0.01, gt=0, description="of AdamW, for ids; a layer of d inputs has a share of it, 1 / sqrt(d)"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="share of what is played that training does not see at a time")
    device: Literal["cpu", "cuda"] = Field("cpu", description="cuda: a GPU, and an error where there is none")
    draws: int = Field(1000, ge=100, le=100_000, description="draws of the bootstrap that intervals are made of")
    work: str = Field(
        ".recommend.work",
        min_length=1,
        description="folder of trainings until the run is done; a killed one goes on",
    )

    @model_validator(mode="after")
    def _has_baseline(self) -> Self:
        if self.baseline not in self.features:
            raise ValueError(f"baseline '{self.baseline}' is not among recommend.features")
        return self


class Report(Section):
    """What `make report` makes of a store."""

    html: str = Field("report.html", min_length=1, description="file of the page (HTML=)")
    artworks: int = Field(
        3000,
        ge=1,
        description="artworks the page shows at most, in whole titles; fewer where it would pass 20 MB or a minute",
    )


class Nightly(Section):
    """What `make nightly` is for."""

    date: Annotated[DateOnly | None, BeforeValidator(_date)] = Field(
        None, description="the night to make choices for (DATE=), a day of UTC; default: today"
    )


def _web_address(value: str) -> str:
    if not re.match(r"https?://[^/\s]+", value):
        raise ValueError("an address that begins with https:// or http:// is wanted")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]


class Notify(Section):
    """Who is told that a run began and how it ended. The addresses count as secrets; none can fail or hold up a run."""

    ping_url: WebAddress | None = Field(
        None, description="asked with /start when a run begins and /<exit code> when it ends, as healthchecks.io has it"
    )
    webhook_url: WebAddress | None = Field(None, description="sent the run's row of table run, as JSON, when it ends")


class Cost(Section):
    """What makes money of the time that runs tell of."""

    per_gpu_hour: float | None = Field(None, ge=0, description="price of an hour of one GPU, in any currency")


class Pin(Section):
    """Model keys of what is to be current, whatever covers most. A pin holds until another run says otherwise."""

    embed: ModelKey | None = Field(None, description="model key of the current embeddings; 'coverage' takes a pin back")
    tag: ModelKey | None = Field(None, description="model key of the current tags, or 'coverage'")
    describe: ModelKey | None = Field(None, description="model key of the current descriptions, or 'coverage'")
    text: ModelKey | None = Field(None, description="model key of the current vectors of texts, or 'coverage'")
    recipe: ModelKey | None = Field(None, description="recipe key of the current logged prompts, or 'coverage'")
    nightly_recipe: ModelKey | None = Field(
        None, description="recipe key of the current nightly prompts, or 'coverage'"
    )
    describe_clips: ModelKey | None = Field(None, description="model key of the current words on clips, or 'coverage'")
    transcribe: ModelKey | None = Field(None, description="model key of the current transcripts, or 'coverage'")
    describe_sound: ModelKey | None = Field(None, description="model key of the current words on sound, or 'coverage'")


class Upkeep(Section):
    """What `make compact` makes of many small parts, and how long `make vacuum` keeps what nobody can see."""

    part_mb: float = Field(
        128, gt=0, description="size of the parts that small ones become; memory is some ten times that"
    )
    keep_days: float = Field(
        7, ge=7, description="how long compacted parts stay for queries that found them before; at least 7"
    )
    warn_parts: int = Field(1000, ge=1, description="small parts of a table from which on runs tell you to compact")


class Settings(Section):
    """All settings of a run. A model section is checked by the Settings of the backend it names."""

    input: Input = Input()
    store: str = Field("store", description="folder or s3:// address")
    limits: LimitSettings = LimitSettings()
    clips: Clips = Clips()
    run: Run = Run()
    embed: Model = Field(None, description="model of the vectors and tags: a section, or null for none")
    labels: str = Field(
        "artwork-v1", description="label file of the tags: a name of featurize/featurizing/labels or a path"
    )
    near_duplicate: float | None = Field(
        0.95,
        ge=0.5,
        le=1,
        description="cosine of two pictures' vectors from which on they are near-duplicates: lower for a model that"
        " tells pictures apart sharply, higher where too many look alike; another value compares all again; null: none",
    )
    describe: Model = Field(None, description="model of the descriptions: a section, or null for none")
    describe_clips: Model = Field(
        None, description="model that describes the frames of videos: a section, or null for none"
    )
    transcribe: Model = Field(None, description="model of what is said in clips: a section, or null for none")
    describe_sound: Model = Field(None, description="model that describes their sound: a section, or null for none")
    text: Model = Field(
        None, description="model of the vectors of descriptions, names and synopses: a section, or null for none"
    )
    prompts: Prompts = Prompts()
    posttrain: Posttrain = Posttrain()
    rank: Rank = Rank()
    evaluate: Evaluate = Evaluate()
    upkeep: Upkeep = Upkeep()
    recommend: Recommend = Recommend()
    report: Report = Report()
    nightly: Nightly = Nightly()
    notify: Notify = Notify()
    cost: Cost = Cost()
    pin: Pin = Pin()


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
    folder = Path(__file__).resolve().parents[1] / "infra" / "profiles"
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
        inner = _section(section.model_fields[name])
        if inner is None:
            break
        section = inner
    schema = section.model_json_schema()["properties"][name]
    what = "it" if "://" in str(given) else json.dumps(given, ensure_ascii=False, default=str)
    return f"{what} is refused; wanted: {_values(schema)}{did_you_mean(str(given), _choices(schema), ALIKE)}"


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
            inner = load_backend(chosen[name]).Settings if not prefix and name in chosen else _section(field)
            if inner is not None:
                yield from below(inner, f"{prefix}{name}.")

    return below(Settings, "")


def _section(field: FieldInfo) -> type[BaseModel] | None:
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
            found.append(Setting(prefix + name, _values(field), default, field.get("description", "")))
        for inner in (field, *field.get("anyOf", ())):
            if sections and "$ref" in inner:
                found += _settings(f"{prefix}{name}.", sections[inner["$ref"].rpartition("/")[2]], sections)
    return found


def _values(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words: `whole number from 1`."""
    if choices := _choices(schema):
        return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    options = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    return " or ".join(map(_kind, options)) + "".join(f", such as {_written(e)}" for e in schema.get("examples", ()))


def _choices(schema: Mapping[str, Any]) -> list[str]:
    """What a setting may be, where these are a few words."""
    options = schema.get("anyOf", [schema])
    return [_written(c) for each in options for c in each.get("enum", [each["const"]] if "const" in each else [])]


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return "section"
    kind = _KINDS.get(schema.get("format", ""), _KINDS[schema["type"]])
    if schema["type"] == "array":
        kind += f" of {_kind(schema['items'] if 'items' in schema else schema['prefixItems'][0])}s"
    return kind + "".join(f" {word} {_written(schema[bound])}" for bound, word in _BOUNDS.items() if bound in schema)


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "section",
    "date": "date",
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


def as_json(settings: Settings) -> str:
    """The resolved settings without secrets, for the `run` table."""
    return json.dumps(secrets.redact_all(settings.model_dump(mode="json")), sort_keys=True)
