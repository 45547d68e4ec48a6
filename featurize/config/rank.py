"""How `make rank` orders candidates, and how `make evaluate` judges that."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from featurize.config.values import ModelKey, OnlyOnce, Section
from featurize.inference.exploration import Explore
from featurize.rankers import load_ranker
from featurize.rankers.linucb import Settings as LinucbSettings
from featurize.rankers.llm import Settings as LlmSettings
from featurize.rankers.openai import Settings as OpenaiSettings
from featurize.rankers.thompson import Settings as ThompsonSettings


def _ranker(name: str) -> str:
    load_ranker(name)
    return name


def _explore(text: str) -> str:
    Explore.of(text)
    return text


class Rank(Section):
    """How `make rank` orders the candidates of prompts."""

    rankers: Annotated[tuple[Annotated[str, AfterValidator(_ranker)], ...], OnlyOnce] = Field(
        ("random", "popular", "clip", "linucb", "thompson", "logged", "logged_greedy", "llm"),
        description="names of files in featurize/rankers",
    )
    models: Annotated[tuple[str, ...], OnlyOnce] = Field(
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
