"""What a run tells: progress while it goes, a table at its end, and one row in `run` whatever its outcome."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from tqdm import tqdm

import featurize
from featurize.errors import RunFailed
from featurize.storage import secrets, tables
from featurize.storage.store import Store

LINE_SECONDS = 10.0
"""Time between progress lines where there is no terminal."""


def shown(path: str) -> str:
    """A path below the current folder without that folder."""
    return path.removeprefix(os.getcwd() + os.path.sep)


@cache
def code_version() -> str:
    """Version of this package, with the commit where it runs from a checkout."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return featurize.__version__
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return f"{featurize.__version__}+{git.stdout.strip()}" if git.returncode == 0 else featurize.__version__


@dataclass
class PhaseReport:
    """Counts and seconds of one phase. `startup_s` ends when its first model is loaded."""

    name: str
    model_key: str
    new: int = 0
    done: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    startup_s: float = 0.0
    work_s: float = 0.0
    batch_size: int = 0

    @property
    def rate(self) -> float:
        """Items per second of work, start-up left out."""
        return (self.done + self.quarantined.total()) / self.work_s if self.work_s else 0.0


class Progress:
    """A tqdm bar on a terminal, a line every few seconds elsewhere; knows when the model was ready.

    `advance(0)` says that a model is loaded; `advance(n)` that n items are finished (below 0: they must be done again).
    """

    def __init__(self, name: str, total: int, unit: str) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.begun = time.monotonic()
        self.ready: float | None = None
        self.finished = 0
        self._said = self.begun
        self._bar = tqdm(total=total, desc=name, unit=unit, disable=not sys.stderr.isatty(), leave=False)
        if self._bar.disable and total:
            print(f"{name}: {total:,} {unit}s to do", flush=True)

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
        self.finished += items
        self._bar.update(items)
        if self._bar.disable and items and now - self._said >= LINE_SECONDS:
            self._said = now
            rate = self.finished / max(now - self.ready, 1e-9)
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
    """What a run did. Numbers that are not of a phase are in `counts`."""

    def __init__(self, job: str, run_id: str) -> None:
        self.job, self.run_id = job, run_id
        self.started_at = datetime.now(UTC)
        self._begun = time.monotonic()
        self.counts: dict[str, int] = {}
        self.unreadable: Counter[str] = Counter()
        self.phases: list[PhaseReport] = []
        self.notes: list[str] = []

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    @property
    def quarantined(self) -> Counter[str]:
        return sum((phase.quarantined for phase in self.phases), self.unreadable)

    def record(self, store: Store, settings_json: str, outcome: str, message: str = "") -> None:
        """Write the row of table `run`. Errors: RunFailed, also when another run had this id meanwhile."""
        counts = {
            **self.counts,
            "quarantined": dict(self.quarantined),
            "phases": [{**vars(phase), "quarantined": dict(phase.quarantined)} for phase in self.phases],
        }
        row: dict[str, list[Any]] = {
            "run_id": [self.run_id],
            "job": [self.job],
            "settings": [settings_json],
            "code_version": [code_version()],
            "started_at": [self.started_at],
            "seconds": [self.seconds],
            "outcome": [outcome],
            "message": [secrets.redact(message)],
            "counts": [json.dumps(counts)],
        }
        if not store.commit("run", "", self.run_id, tables.rows("run", row)):
            raise RunFailed(f"another run took the id '{self.run_id}' meanwhile: this one has no row in table run")

    def text(self, place: str, example: str, dry_run: bool = False) -> str:
        """The table that ends a run."""
        what = "dry run, nothing written," if dry_run else f"run {self.run_id}"
        lines = [f"{what} took {self.seconds:.1f} s"]
        lines.append("  " + ", ".join(f"{name} {count:,}" for name, count in self.counts.items()))
        if self.phases:
            width = max(len(phase.model_key) for phase in self.phases)
            heads = f"{'new':>9}{'done':>9}{'quarantined':>13}{'start-up':>11}{'per second':>12}"
            lines.append(f"  {'':9}{'model':{width}}  {heads}")
        for phase in self.phases:
            speed = f"{phase.startup_s:>9.1f} s{phase.rate:>12.1f}" if phase.work_s else f"{'-':>11}{'-':>12}"
            bad = phase.quarantined.total()
            lines.append(f"  {phase.name:9}{phase.model_key:{width}}  {phase.new:>9,}{phase.done:>9,}{bad:>13,}{speed}")
        if self.quarantined:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.quarantined.items()))
            lines.append(f"  quarantined: {reasons}")
        lines.append(f"  tables: {place}")
        if not dry_run:
            lines.append(f"  try: {example}")
        lines.extend(f"  note: {note}" for note in self.notes)
        return "\n".join(lines)
