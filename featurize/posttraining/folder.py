"""The model folder: written beside its place and renamed, so that nothing half written is ever there.

What it holds besides the model: `posttrain.json` (what it was made of, figures, losses), README.md (the model card),
posttrain.png (losses and what was told of the prompts kept back).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from featurize.errors import RefusedInput, RunFailed
from featurize.inference import causal_lm
from featurize.storage import lease
from featurize.storage.lease import Lease
from featurize.storage.store import Store

RECORD = causal_lm.RECORD
MERGED = "merged"
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
)

_FLATTER = ", who also say when to stop, so that these figures flatter a little"
_FILE_FORMAT = ("inline_container", "PytorchStreamWriter")
"""What stands in torch's errors of writing a file."""


class Folder:
    """The place of a model, and the work folder beside it. `training` names what is trained: same data and settings."""

    def __init__(self, output: str) -> None:
        self.place = Path(output).expanduser().absolute()
        self.works = self.place.with_name(f".{self.place.name}.work")
        self._old = self.place.with_name(f".{self.place.name}.old")

    @contextmanager
    def held(self, run_id: str) -> Iterator[None]:
        """While no other run writes to this place, of whichever store.

        Errors: LeaseHeld; RefusedInput when nothing can be written there; RunFailed.
        """
        try:
            self.works.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RefusedInput(f"posttrain.output: nothing can be written at {self.place}: {error}") from error
        try:
            with Lease(Store(str(self.works)), "posttrain", run_id):
                yield
        finally:
            with suppress(OSError):  # it holds checkpoints
                (self.works / lease.FOLDER).rmdir()
                self.works.rmdir()

    def recover(self) -> None:
        """Finish what a killed run began. Errors: RefusedInput when the place is no model's."""
        if self._old.exists() and not self.place.exists():
            self._old.rename(self.place)
        shutil.rmtree(self._old, ignore_errors=True)
        self.refuse_others()

    def refuse_others(self) -> None:
        """Errors: RefusedInput when the place is taken by anything that this job has not written, or can be none."""
        there = next(parent for parent in self.place.parents if parent.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise RefusedInput(f"posttrain.output: nothing can be written at {self.place}: {there} is no folder for it")
        if self.place.exists() and not (self.place / RECORD).is_file():
            if self.place.is_dir() and not any(self.place.iterdir()):
                return
            raise RefusedInput(
                f"posttrain.output: {self.place} is there and is no model that this job wrote: name another folder"
            )

    def record(self) -> dict[str, Any]:
        """What `posttrain.json` says, or nothing where there is no model. Errors: RefusedInput."""
        return causal_lm.record(self.place)

    def work(self, training: str) -> Path:
        """Where checkpoints go."""
        return self.works / training

    def new(self) -> Path:
        """An empty folder to write a model to."""
        found = self.works / "new"
        shutil.rmtree(found, ignore_errors=True)
        found.mkdir(parents=True)
        return found

    @contextmanager
    def written(self) -> Iterator[None]:
        """Around what writes weights. Errors: RunFailed where they do not fit on the disk, for one."""
        from safetensors import SafetensorError

        try:
            yield
        except (SafetensorError, OSError, RuntimeError) as error:
            # What torch cannot write, such as the optimizer's state, is a RuntimeError of its file format.
            if isinstance(error, RuntimeError) and not any(name in str(error) for name in _FILE_FORMAT):
                raise
            told = f"weights cannot be written beside {self.place}, is the disk full? ({str(error).splitlines()[0]})"
            raise RunFailed(f"posttrain.output: {told}") from error

    def publish(self, new: Path) -> None:
        """Put `new` in its place; what was there goes, and so do the checkpoints. Errors: RunFailed."""
        _readable(new)
        try:
            shutil.rmtree(self._old, ignore_errors=True)
            if self.place.exists():
                self.place.rename(self._old)
            new.rename(self.place)
        except OSError as error:
            raise RunFailed(f"cannot put the model at {self.place}: {error}") from error
        shutil.rmtree(self._old, ignore_errors=True)
        self._clear()

    def add(self, new: Path, name: str) -> None:
        """Put the folder `new` into the model's own, whole."""
        _readable(new)
        new.rename(self.place / name)
        self._clear()

    def _clear(self) -> None:
        """Checkpoints go; the lease stays its holder's."""
        for path in self.works.iterdir():
            if path.name != lease.FOLDER:
                shutil.rmtree(path, ignore_errors=True)


def _readable(new: Path) -> None:
    """As readable as other files: safetensors are written for their owner alone."""
    for path in new.rglob("*.safetensors"):
        path.chmod((new / "tokenizer_config.json").stat().st_mode)


def copy_tokenizer(base: Path, new: Path) -> None:
    """The base's own files, byte for byte, in the place of what a library wrote of them."""
    for name in TOKENIZER:
        (new / name).unlink(missing_ok=True)
        if (base / name).is_file():
            shutil.copyfile(base / name, new / name)


def weights_digest(folder: Path) -> str:
    """sha256 over the safetensors of a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            found.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()


def tokenizer_digest(folder: Path) -> str | None:
    """As `prompt.tokens_by` says it."""
    path = folder / "tokenizer.json"
    return f"tokenizer-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}" if path.is_file() else None


def name_base(adapter: Path, base: str, revision: str | None) -> None:
    """Have adapter_config.json name the base as the setting does, and no folder of a cache; a folder by its path."""
    if Path(base).expanduser().is_dir():
        base = str(Path(base).expanduser().absolute())
    path = adapter / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": base, "revision": revision}
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def plot(log: Iterable[Mapping[str, float]], path: Path) -> None:
    """Over the steps the loss and, of what was kept back, log-loss and accuracy of letters and log-loss of rewards."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    losses = [(each["step"], each["loss"]) for each in log if "loss" in each]
    read = [each for each in log if "eval_log_loss" in each]
    more = [each for each in _BESIDE if read and f"eval_{each[0]}" in read[0]]
    figure, axes = pyplot.subplots(1, 3 + len(more), figsize=(12 + 4 * len(more), 3.5), layout="constrained")
    axes[0].plot(*zip(*losses, strict=True))
    axes[0].set(title="loss", xlabel="step")
    for axis, name in ((axes[1], "log_loss"), (axes[2], "accuracy")):
        for key, label in ((name, "letters' prior removed"), (f"{name}_raw", "as read")):
            axis.plot([each["step"] for each in read], [each[f"eval_{key}"] for each in read], label=label)
        axis.set(title=f"{name.replace('_', '-')} of letters kept back", xlabel="step")
    if read:
        axes[1].axhline(read[0]["eval_uniform"], color="grey", linestyle=":", label="knows nothing")
        axes[1].legend()
    for axis, (key, floor, label, title) in zip(axes[3:], more, strict=True):
        axis.plot([each["step"] for each in read], [each[f"eval_{key}"] for each in read])
        axis.axhline(read[0][f"eval_{floor}"], color="grey", linestyle=":", label=label)
        axis.set(title=title, xlabel="step")
        axis.legend()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


_BESIDE = (
    ("reward_loss", "reward_uniform", "says the mean", "log-loss of rewards kept back"),
    ("policy_value", "policy_uniform", "chooses at random", "value of choices kept back"),
)
"""What some methods are judged by beside their letters: a figure, what is no better than knowing nothing, and words."""


def card(record: Mapping[str, Any]) -> str:
    """README.md of a model folder."""
    made, figures = record["fingerprint"], record["figures"]
    lines = [
        "# Chooses artwork",
        "",
        f"Post-trained with {record['words']}; asked as the prompts of recipe `{made['recipe_key']}` ask, it answers "
        "with the letter of an artwork. It has seen no prompt of the split `held_out`.",
        "",
        "| | |",
        "|---|---|",
        f"| model key | `{record['model_key']}` |",
        f"| base | {record['base']} |",
        f"| method | {made['method']} |",
        f"| recipe of the prompts | `{made['recipe_key']}` |",
        *(f"| {name} | {count:,} |" for name, count in record["counts"].items()),
        f"| effective number of examples | {record['effective']:,.0f} |",
        f"| steps | {record['steps']:,} of {record['steps_planned']:,} |",
        f"| seconds | {record['seconds']:,.0f} on {record['device']}, {made['dtype']} |",
        f"| made by | {record['code_version']}, trl {record['versions']['trl']}, torch {record['versions']['torch']} |",
        "",
    ]
    if figures:
        before, after = figures["before"], figures["after"]
        lines += [
            f"On {record['read']:,} of the {record['counts']['kept back']:,} examples of training members kept back"
            f"{_FLATTER if record.get('stops', True) else ''}; `make evaluate` judges it on others:",
            "",
            "| | base | this model |",
            "|---|---|---|",
            *(f"| {words} | {before[key]:.4f} | {after[key]:.4f} |" for key, words in FIGURES.items() if key in after),
            "",
            "![losses](posttrain.png)",
            "",
        ]
    return "\n".join(lines)


FIGURES = {
    "log_loss": "log-loss of the letter, the letters' prior removed (nats)",
    "log_loss_raw": "the same as read",
    "uniform": "the same of a model that knows nothing",
    "accuracy": "accuracy, the letters' prior removed",
    "accuracy_raw": "the same as read",
    "share": "share of all probability that the letters have",
    "reward_loss": "log-loss of the reward (nats)",
    "reward_uniform": "the same of a model that says the mean",
    "policy_value": "mean reward of its choices, by what it learns from",
    "policy_uniform": "the same of choosing at random",
    "policy_loss": "what it is trained to make smaller",
}
