"""What `make posttrain` trains, on what, and who writes its rationales."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from featurize.config.values import Section


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
    method: Literal["sft", "weighted", "direct", "reward_model", "sft_reasoning", "dpo"] = Field(
        "sft",
        description="sft: the answers that ended in a quality play; weighted: every answer logged, by its reward /"
        " propensity; direct: every answer logged, its reward as the odds of its letter; reward_model: every prompt"
        " logged, what a reward model expects of each candidate; sft_reasoning: as sft, and the reasons; dpo: as sft,"
        " against the other candidates",
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
        None, gt=0, le=1, description="highest learning rate; default: 3e-4, a tenth of it for dpo"
    )
    clip: float | None = Field(
        None,
        ge=0,
        description="the most that 1 / propensity counts; smaller is steadier and more biased. Default of weighted: 20;"
        " of reward_model: 0, its word is taken; above that what was shown is corrected by what came of it",
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

    @property
    def most_weight(self) -> float:
        """What `clip` is, or its default."""
        if self.clip is not None:
            return self.clip
        return 0.0 if self.method == "reward_model" else 20.0
