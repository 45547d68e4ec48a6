"""TRL's trainers, with what logged feedback needs: weights of examples, orders redrawn, letters read as in ranking.

Invariant: the optimisation is TRL's own, checkpoints and early stop are those of transformers. With a weight of 1
everywhere `Weighted` has the loss of its parent, and the reference of `Pairs` is its base.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_callback import PrinterCallback, TrainerState
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from featurize.config import Posttrain
from featurize.errors import RunFailed
from featurize.inference import causal_lm
from featurize.inference.causal_lm import Source
from featurize.posttraining import line, reading
from featurize.posttraining.batches import Collator
from featurize.posttraining.examples import Examples
from featurize.posttraining.head import head_on_labels
from featurize.posttraining.kept import Kept, read_letters
from featurize.posttraining.line import Floats, Line
from featurize.posttraining.stream import Places
from featurize.report import Progress

WHOLE = "whole"
"""A file in each checkpoint that was written to its end: the seconds of training up to there."""
STATE = "trainer_state.json"
LEARNING_RATE = 3e-4
DPO_SLOWER = 0.1
WARM_UP = 0.05
LORA_ALPHA = 2
"""Of its rank: what a LoRA adapter says is multiplied by this."""
LINE_OF = 1000
"""Examples, at most, by which the line of `Direct` is fitted."""
LEAST_SLOPE = 0.1
"""Of that line: of a base that knows nothing it would be flat, and nothing could be learnt through it."""
_NUMBERS = ("loss", *(f"eval_{reading.judged_by(method)}" for method in ("weighted", "direct", "reward_model")))
_NO_NUMBER = "the loss became no number: lower posttrain.learning_rate, or set posttrain.dtype=float32"
FEWEST_KEPT_BACK = 30
"""With fewer examples kept back, chance would decide when to stop."""


class _Reads:
    """Evaluation by `Kept`, in the place of the loss over all tokens, which the end of the turn flatters."""

    kept: Kept

    def evaluate(self: Any, *_: Any, **__: Any) -> dict[str, float]:
        training = self.model.training
        self.model.eval()
        with self.compute_loss_context_manager():
            found = self.kept.read(self.model, self.args.device)
        metrics = {f"eval_{name}": value for name, value in found.items()}
        self.log(metrics)
        self.model.train(training)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Weighted(_Reads, SFTTrainer):  # type: ignore[misc]
    """TRL's SFT with a weight for each example."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        weight = inputs.pop("weight")
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        items = outputs.label_mask.sum() if num_items_in_batch is None else num_items_in_batch
        loss = -(outputs.log_probs * weight[:, None]).sum() / torch.as_tensor(items).clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss


class Direct(_Reads, SFTTrainer):  # type: ignore[misc]
    """The direct method of off-policy learning: a regression of the reward of what was shown.

    What a letter is above the end of the turn, which stands for "none of these", says how likely it is played when it
    is shown: a multinomial logit model of which each answer shows one alternative. Between the two stands a line, which
    is fitted to the base before training (Platt scaling): what the base knows counts for what it is worth, and training
    begins with what is missing rather than by unlearning how sure the base is.
    """

    line: Line = (1.0, 0.0)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        letters, ends, reward = (inputs.pop(name) for name in ("labels", "end", "reward"))
        outputs = model(**inputs, logits_to_keep=1, use_cache=False)
        said = outputs.logits[:, -1].float()
        slope, level = self.line
        odds = slope * (said.gather(1, letters[:, -1:]) - said.gather(1, ends[:, None]))[:, 0] + level
        items = len(reward) if num_items_in_batch is None else num_items_in_batch
        loss = binary_cross_entropy_with_logits(odds, reward, reduction="sum") / items
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss


class Valued(_Reads, SFTTrainer):  # type: ignore[misc]
    """What choosing by the letters would earn, by the `values` of the candidates.

    The policy is the softmax of the candidates' letters, so its mean value is a sum, and nothing is drawn. Its entropy
    counts too: at a `temperature` the best policy is the softmax of values / temperature, and the loss
    is the Kullback-Leibler divergence from that, less a constant. It is linear in the values, so errors of these that
    are zero on average do no harm on average.
    """

    temperature = 1.0

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        _, letters, values = (inputs.pop(name) for name in ("labels", "letters", "values"))
        outputs = model(**inputs, logits_to_keep=1, use_cache=False)
        known = ~values.isnan()
        said = outputs.logits[:, -1].float().gather(1, letters).masked_fill(~known, -torch.inf).log_softmax(1)
        said = said.masked_fill(~known, 0)
        share = said.exp().masked_fill(~known, 0)
        items = len(values) if num_items_in_batch is None else num_items_in_batch
        loss = (share * (said - values.nan_to_num() / self.temperature)).sum() / items
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss


def line_of(model: Any, examples: Examples, rows: Places, reward: Floats, at_once: int, device: torch.device) -> Line:
    """That of `Direct`, by some of the rows. `model`, the base, goes to the device."""
    model.to(device).eval()
    some = rows[:: -(-len(rows) // LINE_OF)]
    read = [examples.plain(int(row)) for row in some]
    scores, ends = read_letters(model, read, at_once, device)
    above = scores[np.arange(len(read)), [each.places.index(each.answer[0]) for each in read]] - ends
    return line.fit(above, reward[some], LEAST_SLOPE)


class Pairs(_Reads, DPOTrainer):  # type: ignore[misc]
    """TRL's DPO on pairs that the collator tokenises."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


class Watch(TrainerCallback):  # type: ignore[misc]
    """Shows progress, and marks each checkpoint that is written to its end."""

    def __init__(self, progress: Progress, batch_size: int, seconds: float) -> None:
        """`seconds` are those of the runs before, up to the checkpoint that this one goes on from."""
        self._progress, self._batch_size = progress, batch_size
        self._before, self._begun = seconds, time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self._progress.advance(min(state.global_step * self._batch_size, self._progress.total))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            left = self._progress.total - self._progress.finished
            self._progress.advance(min(self._batch_size, left))
        if state.global_step >= state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True  # the last weights are a checkpoint too

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if not all(np.isfinite(value) for name, value in logs.items() if name in _NUMBERS):
            raise RunFailed(_NO_NUMBER)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
            for file in folder.iterdir():
                _sync(file)
            (folder / WHOLE).write_text(str(self.seconds), encoding="ascii")

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._begun


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint in a folder that was written to its end."""
    found = [path.parent for path in folder.glob(f"checkpoint-*/{WHOLE}")]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def seconds_before(work: Path) -> float:
    """Seconds of training up to the last checkpoint of a folder."""
    found = last_checkpoint(work)
    return float((found / WHOLE).read_text(encoding="ascii")) if found else 0.0


def load(source: Source, wanted: Posttrain, bfloat16: bool) -> Any:
    """The base model. What is to learn is float32; under an adapter it stays as it is, in the numbers it works in."""
    return causal_lm.load(source, "bfloat16" if bfloat16 and wanted.lora else "float32", torch.device("cpu"))[1]


def make(
    model: Any,
    tokenizer: Any,
    examples: Examples,
    kept: Kept,
    weight: Sequence[float],
    stream: tuple[Places, Places],
    wanted: Posttrain,
    work: Path,
    *,
    bfloat16: bool,
    reward: Floats | None = None,
    values: Floats | None = None,
    temperature: float = 1.0,
    callbacks: Sequence[TrainerCallback] = (),
) -> Any:
    """The trainer of a method, over the stream of its examples. Checkpoints go to `work`.

    `reward` of each row is what method `direct` learns, `values` of its candidates what `reward_model` does, at a
    `temperature`.
    """
    turns, rows = stream
    dataset = Dataset.from_dict({"turn": turns, "row": rows})
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    at_once = max(1, min(wanted.at_once, wanted.batch_size // devices))
    steps = -(-len(rows) // wanted.batch_size)
    every = -(-steps // wanted.readings)
    stops = len(kept) >= FEWEST_KEPT_BACK and wanted.patience is not None
    dpo = wanted.method == "dpo"
    common: dict[str, Any] = {
        "output_dir": str(work),
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": max(1, wanted.batch_size // (at_once * devices)),
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "learning_rate": wanted.learning_rate or LEARNING_RATE * (DPO_SLOWER if dpo else 1),
        "lr_scheduler_type": "cosine",
        "warmup_steps": WARM_UP,
        "max_grad_norm": 1.0,
        "bf16": bfloat16,
        "use_cpu": wanted.device == "cpu",
        "activation_checkpointing": wanted.device == "cuda",
        "seed": wanted.seed,
        "max_length": None,
        "remove_unused_columns": False,
        "logging_steps": max(1, every // 5),
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if len(kept) else "no",
        "eval_on_start": len(kept) > 0,
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "load_best_model_at_end": stops,
        "metric_for_best_model": f"eval_{reading.judged_by(wanted.method)}" if stops else None,
        "greater_is_better": False if stops else None,
        "restore_callback_states_from_checkpoint": True,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
        "dataloader_pin_memory": wanted.device == "cuda",
    }
    rest: dict[str, Any] = {
        "model": model,
        "data_collator": Collator(examples, weight, reward, values),
        "train_dataset": dataset,
        "eval_dataset": dataset.select(range(1)) if len(kept) else None,
        "processing_class": tokenizer,
        "peft_config": _adapter(wanted),
        "callbacks": [*callbacks, *([EarlyStoppingCallback(wanted.patience)] if stops else [])],
    }
    found: Line | None = None
    if wanted.method == "direct" and reward is not None:  # before TRL changes the model
        found = line_of(model, examples, np.unique(rows), reward, 2 * at_once, torch.device(wanted.device))
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # TRL's use of its older names
    trainer: Any
    if dpo:
        trainer = Pairs(args=DPOConfig(**common, beta=wanted.beta), **rest)
    else:
        config = SFTConfig(**common, dataset_kwargs={"skip_prepare_dataset": True})
        kind = {"direct": Direct, "reward_model": Valued}.get(wanted.method, Weighted)
        trainer = kind(args=config, **rest)
    trainer.kept = kept
    if found is not None:
        trainer.line = kept.line = found
    if values is not None:
        trainer.temperature = kept.temperature = temperature
    trainer.remove_callback(PrinterCallback)
    head_on_labels(trainer.model.get_base_model() if wanted.lora else trainer.model)
    if getattr(trainer, "ref_model", None) is not None:
        head_on_labels(trainer.ref_model)
    return trainer


def _adapter(wanted: Posttrain) -> Any:
    if wanted.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=wanted.lora, lora_alpha=LORA_ALPHA * wanted.lora, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def fit(trainer: Any, work: Path, out_of_memory: tuple[type[BaseException], ...]) -> list[dict[str, Any]]:
    """Train from the last whole checkpoint on; returns the log: losses and readings with their steps.

    Errors: RunFailed when memory runs out, or a loss or a weight is no number.
    """
    checkpoint = last_checkpoint(work)
    if checkpoint is not None:
        state = _state(checkpoint, work)
        trainer.args.eval_on_start = False  # it was read before the checkpoint, and twice would count twice
        stopper = state.get("stateful_callbacks", {}).get("EarlyStoppingCallback", {})
        tried = stopper.get("attributes", {}).get("early_stopping_patience_counter", 0)
        if tried >= stopper.get("args", {}).get("early_stopping_patience", sys.maxsize):
            return _stopped(trainer, checkpoint)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except out_of_memory as error:
        raise RunFailed(
            f"memory ran out with {trainer.args.per_device_train_batch_size} examples at once: lower posttrain.at_once,"
            f" the results stay the same ({str(error).splitlines()[0]})"
        ) from error
    log: list[dict[str, Any]] = trainer.state.log_history
    if not all(weights.isfinite().all() for weights in trainer.model.parameters() if weights.requires_grad):
        raise RunFailed(_NO_NUMBER)
    return log


def _stopped(trainer: Any, checkpoint: Path) -> list[dict[str, Any]]:
    """What `fit` leaves of a run that had stopped early at this checkpoint: to train on would be another run."""
    trainer.state = TrainerState.load_from_json(str(checkpoint / STATE))
    trainer._load_best_model()
    log: list[dict[str, Any]] = trainer.state.log_history
    return log


def _state(checkpoint: Path, work: Path) -> dict[str, Any]:
    """What a checkpoint says of itself; a work folder may have been moved, and the best one lies in this one."""
    path = checkpoint / STATE
    state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    best = state.get("best_model_checkpoint")
    if best and Path(best).parent != work:
        state["best_model_checkpoint"] = str(work / Path(best).name)
        path.write_text(json.dumps(state), encoding="utf-8")
    return state
