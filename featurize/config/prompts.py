"""What `make prompts` asks, and what may be lost of its input."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from featurize.config.values import ModelKey, Moment, Section


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
        " multiple-choice-short-v2 in a store without prompts",
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
