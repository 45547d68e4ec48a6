"""What `make recommend` compares, and how it trains."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from featurize.config.values import OnlyOnce, Section
from featurize.errors import did_you_mean

FEATURES = (
    *("id", "title", "synopsis", "description", "transcript", "sound", "clip", "joined_text", "joined_vectors"),
    *("shuffled", "random"),
)
"""What `make recommend` knows titles by."""


def _feature(name: str) -> str:
    plain = name.removeprefix("id+")
    if plain not in FEATURES or (plain != name and plain == "id"):
        near = did_you_mean(plain, FEATURES)
        raise ValueError(f"'{name}' is none of: {', '.join(FEATURES)}, or one of these with an id: id+clip{near}")
    return name


class Recommend(Section):
    """What `make recommend` compares, and how it trains. Name the baseline before you look at the figures."""

    features: Annotated[tuple[Annotated[str, AfterValidator(_feature)], ...], OnlyOnce] = Field(
        tuple(name for name in FEATURES if name != "synopsis"),
        min_length=1,
        description="what titles are known by; id+NAME adds an id. One that the store has no vectors for is left out",
    )
    models: Annotated[tuple[Literal["two_towers", "sasrec"], ...], OnlyOnce] = Field(
        ("two_towers", "sasrec"), min_length=1, description="recommenders: a mean of what was played, or attention"
    )
    splits: Annotated[tuple[Literal["rolling_days", "new_titles", "leave_one_out"], ...], OnlyOnce] = Field(
        ("rolling_days", "new_titles"),
        min_length=1,
        description="rolling_days: the last days, each from all before it; new_titles: the same of titles that"
        " nobody had played; leave_one_out: each member's last title, as MicroLens does it",
    )
    days: int = Field(28, ge=1, description="days that are asked; as many before them validate")
    seeds: int = Field(3, ge=1, le=100, description="trainings of each, from other beginnings")
    baseline: str = Field("id", description="features that the others are compared with")
    vectors: Annotated[str, AfterValidator(_feature)] | None = Field(
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
