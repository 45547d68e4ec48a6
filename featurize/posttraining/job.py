"""The steps of the posttrain job: read, open the base, reason, measure, train, publish.

What is trained follows from the prompts, the base and the settings; a model folder says of which it was made. So a
killed run goes on from its last checkpoint, and a finished one is not done again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shlex
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from featurize.config import Posttrain, Settings
from featurize.errors import RefusedInput
from featurize.execution import phases
from featurize.inference import causal_lm, letters
from featurize.inference.extractor import model_key
from featurize.inference.features import READ
from featurize.inference.ranker import Data
from featurize.inference.torch_device import open_device, out_of_memory, resolve_dtype
from featurize.job_run import JobRun
from featurize.posttraining import folder, rationale, reading, rows, stream, values
from featurize.posttraining.examples import Examples, refuse_long
from featurize.posttraining.folder import Folder
from featurize.posttraining.rows import Rows
from featurize.ranking.data import history_of, open_data, strangers
from featurize.report import Progress, ask, shown

JOB = "posttrain"
VERSION = 3
"""Raised whenever the code here would train other weights of the same prompts and settings."""
NEEDS = ("trl", "peft", "accelerate", "matplotlib")
CALM = 0.2
"""Of the mean reward: so much more of it makes a letter e times as likely, to method `reward_model`."""
SAME_MODEL = {"output", "merge", "threads", "at_once", "device", "base", "revision", "dtype", "rationales", "teacher"}
"""Settings that are said otherwise, or change nothing but the last digits."""
METHODS = {
    "weighted": "every logged answer weighted by reward / propensity, clipped and self-normalised",
    "direct": "every logged answer, the odds of its letter being those of its reward",
    "reward_model": "every logged prompt, and what a reward model expects of each of its candidates",
    "sft": "the answers of prompts that ended in a quality play",
    "sft_reasoning": "the answers of prompts that ended in a quality play, and the reasons for them",
    "dpo": "direct preference optimisation: the artwork that led to a quality play against the others",
}


class PostTraining(JobRun):
    """One run of the job. Errors of every method: RefusedInput, RunFailed.

    Under `accelerate launch` every process is one; only the first takes the lease and writes.
    """

    def __init__(self, settings: Settings, run_id: str, dry_run: bool = False) -> None:
        self.first = int(os.environ.get("RANK", "0")) == 0
        super().__init__(JOB, ["rationale"], settings, run_id, dry_run or not self.first)
        self.wanted = settings.posttrain
        self.only_told = dry_run
        self.folder = Folder(self.wanted.output)
        self.done = False
        if self.wanted.merge and self.wanted.lora is None:
            raise RefusedInput("posttrain.merge: without posttrain.lora there is no adapter to merge")
        missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
        if missing:
            raise RefusedInput(
                f"post-training needs {', '.join(missing)}: run `make posttrain`, or pip install -e '.[posttrain]'"
            )
        if not self.store.has_parts("prompt"):
            raise RefusedInput(f"{self.store.uri} has no prompts: run `make prompts` first")

    def read_prompts(self) -> None:
        """What the method learns from, and who is kept back."""
        if self.dry_run:
            self.folder.refuse_others()
        else:
            self._held.enter_context(self.folder.held(self.origin.run_id))
            self.folder.recover()
        self.rows = rows.read(self.store, self.wanted)
        if not len(self.rows.kept_back) and self.wanted.validation > 0:
            self.report.notes.append(
                f"nobody is kept back to see when to stop: posttrain.validation = {self.wanted.validation:g} of so few"
                " members is none"
            )
        if self.wanted.method == "reward_model":
            self.rows = self._with_values()
        self.report.counts = dict(self.rows.counts)

    def _with_values(self) -> Rows:
        """The rows, and what their candidates would have earned."""
        if history_of(self.store, self.settings) is None:
            self.report.notes.append(
                "the reward model does not know what members played: input.history (HISTORY=) is not set"
            )
        with tempfile.TemporaryDirectory(prefix="personal-artwork-posttrain-") as scratch:
            data = Data(lambda: open_data(self.store, self.settings, self.rows.recipe_key, Path(scratch)))
            try:
                unknown = strangers(data.db, self.settings)
                if unknown and not unknown.known:
                    raise RefusedInput(unknown.told)
                self.report.notes += [unknown.told] if unknown else []
                found = values.expected(data, self.rows.table, self.wanted.most_weight, self.wanted.seed)
                made_of = {"values": values.VERSION, **data.digest(*READ)}
                return replace(self.rows, values=found.rewards, values_of=made_of, temperature=CALM * found.mean)
            finally:
                data.db.close()

    def open_base(self) -> None:
        """Find the base model and load its tokenizer."""
        name, revision = self.wanted.base, self.wanted.revision
        self.source = causal_lm.resolve(f"{name}@{revision}" if revision else name)
        if self.source.adapter is not None:
            raise RefusedInput(f"posttrain.base: {name} is an adapter; name the model that posttrain.merge=true writes")
        self.base, _ = self.source.fetch()
        self.tokenizer = letters.tokenizer(self.base)
        counted, own = self.rows.tokens_by, folder.tokenizer_digest(self.base)
        if counted != "characters" and counted != own:
            raise RefusedInput(
                f"posttrain.base: the prompts of {self.rows.recipe_key} were counted with {counted}, and {self.base} "
                f"has {own}: name the base they were made for, or set prompts.tokenizer to this one and make them again"
            )
        self.dtype = resolve_dtype(self.wanted.dtype, self.wanted.device)

    def reason(self) -> None:
        """Find the rationales of the prompts, where the method learns from them."""
        self.rationales: dict[str, str] = {}
        if self.wanted.method != "sft_reasoning":
            return
        some = self.rows.table.select(["prompt_id", "answer", "messages"]).take(self.rows.learnt).to_pylist()
        if self.wanted.rationales is not None:
            self.rationales, counts = rationale.of_file(self.wanted.rationales, some)
        else:
            teacher = rationale.fingerprint(self.wanted.teacher)
            key = model_key(teacher)
            if not self.dry_run:
                phases.record_model(self.store, self.lease.fence, teacher, self.origin)
                rationale.ask_missing(self.store, self.wanted.teacher, some, key, self.origin, self.lease.fence)
            elif not self.only_told:
                rationale.wait(self.store, some, key)
            self.rationales, counts = rationale.known(self.store, some, key)
        self.report.counts |= {f"rationales {status}": count for status, count in sorted(counts.items())}
        self.report.counts["rationales"] = len(self.rationales)

    def measure(self) -> None:
        """Count tokens before anything is trained; says whether there is a model of this already."""
        self.examples = Examples(self.rows.table, self.tokenizer, self.wanted.seed, self.rationales)
        if self.wanted.method == "direct" and len(self.examples.plain(0).answer) == 1:
            raise RefusedInput(
                f"posttrain.base: {self.wanted.base} has no token that ends its turn, and method {self.wanted.method}"
                " compares letters with that"
            )
        self.lengths = self.examples.lengths()
        ids = self.rows.table["prompt_id"].to_pylist()
        refuse_long(self.lengths, [*ids, *ids], *self._most())
        read = self.lengths[self.lengths > 0]
        self.report.notes.append(
            f"{len(read):,} examples of {read.mean():,.0f} tokens on average, the longest of {read.max():,}"
        )
        if self.examples.in_order and self.wanted.epochs > 1:
            self.report.notes.append(
                "candidates stay in their order in every epoch, as an older version made these prompts"
                " (SET=prompts.rebuild=true makes them again)"
            )
        made = self.wanted.model_dump(exclude=SAME_MODEL) | {"clip": self.wanted.most_weight}
        self.fingerprint: dict[str, Any] = {
            "backend": JOB,
            "version": VERSION,
            "base": self.source.identity,
            "dtype": self.dtype,
            **made,
            "recipe_key": self.rows.recipe_key,
            "rows": self.rows.digest(),
            "rationales": _digest(self.rationales) if self.rationales else None,
        }
        self.training = model_key(self.fingerprint)
        record = self.folder.record()
        self.done = record.get("training") == self.training
        if record and not self.done:
            self.report.notes.append(f"takes the place of {record['model_key']}; posttrain.output names another")
        if self.done:
            self.unmerged = self.wanted.merge and not (self.folder.place / folder.MERGED).exists()
            self.key = str(record["model_key"])
            self.report.notes.append(
                f"nothing to do: {shown(str(self.folder.place))} is what these prompts and settings make"
            )

    def _most(self) -> tuple[int, str]:
        if self.wanted.max_tokens is not None:
            return self.wanted.max_tokens, "posttrain.max_tokens"
        config = json.loads((self.base / "config.json").read_text(encoding="utf-8"))
        most = config.get("max_position_embeddings") or sys.maxsize
        return min(int(most), int(self.tokenizer.model_max_length)), f"the base {self.wanted.base}"

    def train(self) -> None:
        """Let TRL train, from the last checkpoint on where there is one, and write the model beside its place."""
        if self.done or self.only_told:
            return
        quiet()
        open_device(self.wanted.device, self.wanted.threads or len(os.sched_getaffinity(0)))
        from featurize.posttraining import kept, trainers

        bfloat16 = self.dtype == "bfloat16"
        work = self.folder.work(self.training)
        model = trainers.load(self.source, self.wanted, bfloat16)
        learnt = np.concatenate([self.rows.learnt, len(self.examples) + self.examples.with_reasons()])
        turns, places = stream.order(self.lengths[learnt], self.wanted.epochs, self.wanted.batch_size, self.wanted.seed)
        begun = trainers.last_checkpoint(work)
        if begun is not None:
            step = begun.name.rpartition("-")[2]
            self.report.notes.append(f"went on from step {step} of an earlier run, which ended before its time")
        reward = self.rows.reward
        back = kept.Kept(
            self.examples, self.rows.read, self.rows.weight, 2 * self.wanted.at_once, reward, self.rows.values
        )
        with Progress(JOB, len(places) if self.first else 0, "example", loading=self.wanted.base) as progress:
            watch = trainers.Watch(progress, self.wanted.batch_size, trainers.seconds_before(work))
            self.trainer = trainers.make(
                model,
                self.tokenizer,
                self.examples,
                back,
                [*self.rows.weight, *[1.0] * len(self.rows.weight)],
                (turns, learnt[places]),
                self.wanted,
                work,
                bfloat16=bfloat16,
                reward=reward,
                values=self.rows.values,
                temperature=self.rows.temperature,
                callbacks=[watch],
            )
            self.learnt_from = dict(self.report.counts)
            with self.folder.written():
                self.log = trainers.fit(self.trainer, work, out_of_memory())
        self.seconds = watch.seconds
        self.report.counts["steps"] = int(self.trainer.state.global_step)

    def publish(self) -> None:
        """Write the model, its card, figures and plot, and put them in their place; note the model key."""
        if self.only_told or not self.first:
            return
        if self.done:
            if self.unmerged:
                self._merge_later()
            return
        new = self.folder.new()
        with self.folder.written():
            self.trainer.save_model(str(new))
        (new / "training_args.bin").unlink(missing_ok=True)
        folder.copy_tokenizer(self.base, new)
        if self.wanted.lora:
            folder.name_base(new, self.wanted.base, self.wanted.revision)
        if self.wanted.merge:
            self._merge(self.trainer.accelerator.unwrap_model(self.trainer.model), new / folder.MERGED)
        fingerprint = {**self.fingerprint, "weights": folder.weights_digest(new)}
        self.key = model_key(fingerprint)
        state = self.trainer.state
        record = {
            "model_key": self.key,
            "training": self.training,
            "fingerprint": fingerprint,
            "base": self.wanted.base,
            "words": METHODS[self.wanted.method],
            "counts": self.learnt_from,
            "read": len(self.rows.read),
            "stops": bool(self.trainer.args.load_best_model_at_end),
            "template_key": self.rows.template_key,
            "effective": self.rows.effective,
            "steps": state.global_step,
            "steps_planned": state.max_steps,
            "seconds": self.seconds,
            "device": self.wanted.device,
            "code_version": self.origin.code_version,
            "versions": {name: version(name) for name in ("trl", "peft", "transformers", "torch")},
            "figures": self._figures(state.best_global_step),
            "log": self.log,
        }
        (new / folder.RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        (new / "README.md").write_text(folder.card(record), encoding="utf-8")
        folder.plot(self.log, new / "posttrain.png")
        phases.record_model(self.store, self.lease.fence, fingerprint, self.origin)
        self.folder.publish(new)

    def _merge(self, model: Any, place: Path) -> None:
        """Base and adapter as one model, an ordinary folder."""
        model.merge_and_unload().save_pretrained(str(place))
        folder.copy_tokenizer(self.base, place)

    def _merge_later(self) -> None:
        """The same of a model that is there."""
        import torch

        open_device("cpu", self.wanted.threads)
        _, model = causal_lm.load(causal_lm.resolve(str(self.folder.place)), "float32", torch.device("cpu"))
        new = self.folder.new()
        self._merge(model, new)
        self.folder.add(new, folder.MERGED)

    def _figures(self, best: int | None) -> dict[str, dict[str, float]]:
        """Of the prompts kept back: before training, and of the model that is kept."""
        read = {each["step"]: each for each in self.log if "eval_log_loss" in each}
        if not read:
            return {}
        after = read[best] if best in read else read[max(read)]
        told = {
            name: {key: each[f"eval_{key}"] for key in folder.FIGURES if f"eval_{key}" in each}
            for name, each in (("before", read[min(read)]), ("after", after))
        }
        words = ", ".join(
            f"{name} {told['before'][key]:.4f} -> {told['after'][key]:.4f}"
            for key, name in (("log_loss", "log-loss"), ("accuracy", "accuracy"))
        )
        self.report.notes.append(
            f"letters kept back, their prior removed: {words} (uniform {after['eval_uniform']:.4f})"
        )
        by = reading.judged_by(self.wanted.method)
        if by == "reward_loss":
            self.report.notes.append(
                f"log-loss of the rewards kept back: {told['before'][by]:.4f} -> {told['after'][by]:.4f}"
                f" (their mean says {after['eval_reward_uniform']:.4f})"
            )
        if by == "policy_loss":
            self.report.notes.append(
                "what the choices on those kept back are worth, by what is learnt from: "
                f"{told['before']['policy_value']:.4f} -> {told['after']['policy_value']:.4f}"
                f" (of choosing at random {after['eval_policy_uniform']:.4f}); the loss, which is what is learnt: "
                f"{told['before'][by]:.4f} -> {told['after'][by]:.4f}"
            )
        if not told["after"][by] < told["before"][by]:
            self.report.notes.append(
                "the model is no better than its base on what was kept back: it learnt nothing that holds for others"
            )
        return told

    def summary(self) -> str:
        """The last lines of the run; nothing of the processes beside the first."""
        if not self.first:
            return ""
        if not self.only_told:
            place = shown(str(self.folder.place))
            given = f"SET=posttrain.output={place}"
            if place != shlex.quote(place):
                given = shlex.quote(f"SET=posttrain.output={json.dumps(place, ensure_ascii=False)}")
            usual = self.wanted.output == Posttrain.model_fields["output"].default
            how = "" if usual else f"; `make rank {given}` ranks by it"
            self.report.notes.insert(0, f"model {place}, {self.key}{how}")
        example = ask(self.store, "SELECT fingerprint FROM model WHERE backend = 'posttrain'")
        return self.report.text(shown(self.store.uri), example, self.only_told)


def _digest(texts: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def quiet() -> None:
    """No telemetry: TRL tells its makers of each run unless it is told not to."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:  # which has read the environment already
        constants.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]
