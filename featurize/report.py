"""What a run tells: progress while it goes, a table at its end, and one row in `run` whatever its outcome.

Lines fit `WIDTH` columns, on a terminal and in a log: only a name that cannot be broken may be longer.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

import pyarrow as pa
from tqdm import tqdm

import featurize
from featurize import metrics
from featurize.errors import RunFailed
from featurize.storage import secrets, tables
from featurize.storage.store import Store, part_name

WIDTH = 60
ENDED = ("done", "failed", "refused", "interrupted")
"""Outcomes of a run that told of its end."""
NO_BREAK = "\N{NO-BREAK SPACE}"
LINE_SECONDS = 10.0
"""Time between progress lines where there is no terminal."""


def shown(path: str) -> str:
    """A path below the current folder without that folder."""
    return path.removeprefix(os.getcwd() + os.path.sep)


def wrapped(text: str, indent: str = "  ", more: str = "    ") -> str:
    """A paragraph of lines of `WIDTH` columns. A no-break space keeps its words together and becomes a space."""
    lines = textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace(NO_BREAK, " ")


def ask(store: Store, question: str) -> str:
    """A command to paste into a shell that answers a question in SQL."""
    parts = [f"{shown(sys.executable)} -m jobs.sql", f"--set {shlex.quote(f'store={shown(store.uri)}')}"]
    lines = [f"  try: {parts[0]}"]
    for part in (parts[1], f"-c {shlex.quote(question)}"):
        if len(lines[-1]) + len(part) < WIDTH - 2:
            lines[-1] += f" {part}"
        else:
            lines += [f"     {part}"]
    return " \\\n".join(lines)


@cache
def code_version() -> str:
    """Version of this package, with the commit where it runs from a checkout."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return featurize.__version__
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return f"{featurize.__version__}+{git.stdout.strip()}" if git.returncode == 0 else featurize.__version__


@dataclass
class Spent:
    """Where time went, in seconds, and what it cost.

    Model, write and wait are what the time of shards consists of. Reading and decoding go on in threads beside the
    model and are added up over these. The time of workers is by kind of device, from before they load the model.
    """

    read_s: float = 0.0
    decode_s: float = 0.0
    model_s: float = 0.0
    write_s: float = 0.0
    wait_s: float = 0.0
    worker_s: dict[str, float] = field(default_factory=dict)
    gpu_s: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: Spent) -> Spent:
        devices = {*self.worker_s, *other.worker_s}
        worker_s = {kind: self.worker_s.get(kind, 0.0) + other.worker_s.get(kind, 0.0) for kind in sorted(devices)}
        sums = {name: value + vars(other)[name] for name, value in vars(self).items() if name != "worker_s"}
        return Spent(**sums, worker_s=worker_s)

    def rounded(self) -> dict[str, Any]:
        """To milliseconds, for JSON."""
        devices = {kind: round(seconds, 3) for kind, seconds in self.worker_s.items()}
        return {name: round(value, 3) for name, value in vars(self).items() if name != "worker_s"} | {
            "worker_s": devices
        }

    @contextmanager
    def on(self, what: Literal["read_s", "model_s", "write_s"]) -> Iterator[None]:
        """The time of what is done in here."""
        begun = time.monotonic()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + time.monotonic() - begun)


class Told(Protocol):
    """What became of a shard, as `execution.run.Outcome` says it."""

    done: int
    quarantined: Counter[str]
    spent: Spent


@dataclass
class PhaseReport:
    """Counts and seconds of one phase. `startup_s` ends when its first model is loaded."""

    name: str
    model_key: str
    new: int = 0
    done: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    """Of those done, the descriptions whose answer could not be used, by status."""
    startup_s: float = 0.0
    work_s: float = 0.0
    batch_size: int = 0
    here: bool = True
    """Whether its workers were this process."""
    spent: Spent = field(default_factory=Spent)

    def add(self, outcome: Told) -> None:
        """What became of a shard."""
        self.done += outcome.done
        self.quarantined += outcome.quarantined
        self.spent += outcome.spent

    @property
    def left(self) -> int:
        """Items that were neither done nor quarantined."""
        return self.new - self.done - self.quarantined.total()

    @property
    def rate(self) -> float:
        """Items per second of work, start-up left out."""
        return (self.done + self.quarantined.total()) / self.work_s if self.work_s else 0.0


class Progress:
    """A tqdm bar on a terminal, a line every few seconds elsewhere; knows when the model was ready.

    `advance(0)` says that a model is loaded; `advance(n)` that n items are finished (below 0: they must be done again).
    """

    def __init__(self, name: str, total: int, unit: str, loading: str = "") -> None:
        """`loading` is the model that is waited for until `advance` is first called."""
        self.name, self.total, self.unit = name, total, unit
        self.begun = time.monotonic()
        self.ready: float | None = None
        self.finished = 0
        self._said = self.begun
        waits = f": loading {loading}" if loading else ""
        self._bar = tqdm(
            total=total, desc=name + waits, unit=unit, disable=not sys.stderr.isatty(), leave=False, dynamic_ncols=True
        )
        if self._bar.disable and total:
            waits = f"; loading {loading} ..." if loading else ""
            print(f"{name}: {total:,} {unit if total == 1 else f'{unit}s'} to do{waits}", flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def grow(self, total: int) -> None:
        """Say how many there are, once that is known."""
        self.total = self._bar.total = total

    def say(self, sentence: str) -> None:
        """A line of its own, above the bar where there is one."""
        self._bar.write(sentence)
        sys.stdout.flush()

    def advance(self, items: int) -> None:
        now = time.monotonic()
        if self.ready is None:
            self.ready = self._said = now
            self._bar.unpause()
            self._bar.set_description(self.name, refresh=False)
        self.finished += items
        self._bar.update(items)
        rate = self.finished / (now - self.ready) if now > self.ready else 0.0
        metrics.progress(self.name, self.finished, self.total - self.finished, rate)
        if self._bar.disable and items and now - self._said >= LINE_SECONDS:
            self._said = now
            left = (self.total - self.finished) / rate if rate > 0 else 0
            print(
                f"{self.name}: {self.finished}/{self.total} {self.unit}s, {rate:.1f}/s, {left:.0f} s left", flush=True
            )

    @property
    def startup_s(self) -> float:
        return (self.ready or self.begun) - self.begun

    @property
    def work_s(self) -> float:
        return time.monotonic() - (self.ready or self.begun)


class Report:
    """What a run did. Numbers that are not of a phase are in `counts`, with an example of some in `examples`."""

    def __init__(self, job: str, run_id: str) -> None:
        self.job, self.run_id = job, run_id
        self.started_at = datetime.now(UTC)
        self._begun = self._lap = time.monotonic()
        self.counts: dict[str, int] = {}
        self.examples: dict[str, str] = {}
        self.unreadable: Counter[str] = Counter()
        self.phases: list[PhaseReport] = []
        self.notes: list[str] = []
        self.left: list[str] = []
        """What is left for the next run, in words; these are notes too."""
        self.spent = Spent()
        """What was spent outside of phases."""
        self.cost: dict[str, Any] = {}
        """What the whole run spent, once it ends."""
        self.parts: dict[str, Report] = {}
        """Reports of the jobs that this one is made of, by their names in `counts`."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def lap(self, what: Literal["read_s", "model_s", "write_s"]) -> None:
        """What this run was at since the last lap, or its start."""
        now = time.monotonic()
        setattr(self.spent, what, getattr(self.spent, what) + now - self._lap)
        self._lap = now

    @property
    def quarantined(self) -> Counter[str]:
        found = sum((phase.quarantined for phase in self.phases), self.unreadable)
        return sum((part.quarantined for part in self.parts.values()), found)

    def all_spent(self, bytes_written: int) -> Spent:
        """By the whole run, with the time of this process that no phase has told of."""
        reports = (self, *self.parts.values())
        phases = [phase for report in reports for phase in report.phases]
        found = sum((phase.spent for phase in phases), sum((report.spent for report in reports), Spent()))
        told = sum(sum(phase.spent.worker_s.values()) for phase in phases if phase.here)
        found += Spent(worker_s={"cpu": max(0.0, self.seconds - told)})
        found.bytes_written = bytes_written
        return found

    def leave(self, told: str) -> None:
        """Note that something is left for the next run."""
        self.left.append(told)
        self.notes.append(told)

    def all_left(self) -> list[str]:
        """What the run and its parts leave for the next one."""
        return [*self.left, *(told for part in self.parts.values() for told in part.left)]

    @property
    def idle(self) -> bool:
        """Whether the run did none of what there was to do, nor any part of it."""
        every = (self, *self.parts.values())
        return not any(each.counts.get("files read") or any(phase.done for phase in each.phases) for each in every)

    def begin(self, store: Store, settings_json: str, check: Callable[[], None]) -> None:
        """Write the row of table `run` that says that the run started: all there will be of one that is killed.

        `check` is that of `Store.write`. Errors: RunFailed.
        """
        row = self._row(settings_json, "started", "", 0.0)
        store.commit("run", "started", part_name([self.run_id, str(self.started_at)]), row, check)

    def record(
        self, store: Store, settings_json: str, outcome: str, message: str = "", per_gpu_hour: float | None = None
    ) -> None:
        """Write the row that supersedes it. Errors: RunFailed, also when another run had this id meanwhile."""
        spent = self.all_spent(store.written)
        self.cost = spent.rounded()
        if per_gpu_hour is not None:
            self.cost["cost"] = round(spent.gpu_s / 3600 * per_gpu_hour, 4)
        if not store.commit("run", "", self.run_id, self._row(settings_json, outcome, message, self.seconds)):
            raise RunFailed(f"another run took the id '{self.run_id}' meanwhile: this one has no row in table run")

    def _row(self, settings_json: str, outcome: str, message: str, seconds: float) -> pa.Table:
        parts = {name: {**part.counts, "examples": part.examples} for name, part in self.parts.items()}
        counts = {
            **self.counts,
            **parts,
            "examples": self.examples,
            "quarantined": dict(self.quarantined),
            "spent": self.cost,
            "phases": [
                {
                    **vars(phase),
                    "job": each.job,
                    "quarantined": dict(phase.quarantined),
                    "failed": dict(phase.failed),
                    "spent": phase.spent.rounded(),
                }
                for each in (self, *self.parts.values())
                for phase in each.phases
            ],
        }
        row: dict[str, list[Any]] = {
            "run_id": [self.run_id],
            "job": [self.job],
            "settings": [settings_json],
            "code_version": [code_version()],
            "started_at": [self.started_at],
            "seconds": [seconds],
            "outcome": [outcome],
            "message": [secrets.redact(message)],
            "counts": [json.dumps(counts)],
        }
        return tables.rows("run", row)

    def text(self, place: str, example: str, dry_run: bool = False) -> str:
        """The table that ends a run. `example` is lines of `ask`."""
        what = "dry run, nothing written," if dry_run else f"run {self.run_id}"
        lines = [f"{what} took {self.seconds:.1f} s", wrapped(_listed(self.counts), more="  ")]
        lines.extend(wrapped(f"{name}, such as {one}") for name, one in self.examples.items())
        if self.phases:
            lines.append(f"  {'':8}{'new':>11}{'done':>11}{'quarantined':>12}{'start-up':>9}{'per s':>7}")
        for phase in self.phases:
            rate = f"{phase.rate:.1f}" if phase.rate < 1000 else f"{phase.rate:.0f}"
            speed = f"{phase.startup_s:>7.1f} s{rate:>7}" if phase.work_s else f"{'-':>9}{'-':>7}"
            bad = phase.quarantined.total()
            lines.append(f"  {phase.name:8}{phase.new:>11,}{phase.done:>11,}{bad:>12,}{speed}")
        if self.quarantined:
            lines.append(wrapped(f"quarantined: {_listed(dict(sorted(self.quarantined.items())))}"))
        lines.extend(f"  {phase.name:8} {phase.model_key}" for phase in self.phases)
        lines.append(wrapped(f"tables: {place.replace(' ', NO_BREAK)}"))
        if not dry_run:
            lines.append(example)
        lines.extend(wrapped(f"note: {secrets.redact(note)}") for note in self.notes)
        return "\n".join(lines)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}".replace(" ", NO_BREAK) for name, count in counts.items())
