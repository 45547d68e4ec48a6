"""How every job enters and leaves a run: the lease, what earlier runs left behind, the rows in `run`, the catalog."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from featurize import config, metrics
from featurize.config import Settings
from featurize.errors import RefusedInput, interrupted
from featurize.execution import phases
from featurize.execution.deadline import Deadline
from featurize.intake import whose
from featurize.report import ENDED, PhaseReport, Report, code_version
from featurize.storage import compaction, current, tables, views
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin

NOTHING_BEGUN = "nothing was begun: "
"""How the message of a run begins that ended well and had time for nothing."""


def _ended(error: BaseException | None) -> tuple[str, str]:
    """Outcome and message of a run that ended so."""
    if error is None:
        return "done", ""
    # DuckDB makes an error of its own of an interrupt that comes while it works or calls Python.
    if interrupted.is_set() or not isinstance(error, Exception):
        return "interrupted", ""
    return "refused" if isinstance(error, RefusedInput) else "failed", str(error)


class JobRun:
    """One run of a job. As a context manager it holds the lease, and however it ends it records that.

    In a dry run nothing is written and no lease is taken. As a part of a night it has the lease of its job from there,
    and the night records what it did. Errors on entering: LeaseHeld, RefusedInput when an earlier run of the store has
    this id, RunFailed.
    """

    reads_inputs = False
    """Whether the job reads what `input` names: a store keeps demo worlds and the data of others apart."""

    def __init__(
        self,
        job: str,
        tables: Sequence[str],
        settings: Settings,
        run_id: str,
        dry_run: bool,
        night: JobRun | None = None,
        also: Sequence[str] = (),
    ) -> None:
        """`also` are jobs that must not run beside this one: their leases are held with its own."""
        self.settings, self.dry_run, self.night = settings, dry_run, night
        self.demo = Path("demo", settings.input.demo)
        self.store: Store = night.store if night else Store(settings.store)
        self.origin = Origin(run_id, code_version())
        self.report = Report(job, run_id)
        self.moment: datetime = night.moment if night else self.report.started_at
        """What is made for a moment is made for this one."""
        self.deadline: Deadline = (
            night.deadline if night else Deadline.of(settings.run.deadline, self.report.started_at)
        )
        self.leases: list[Lease] = night.leases if night else [Lease(self.store, name, run_id) for name in (job, *also)]
        self.lease = next(lease for lease in self.leases if lease.job == job)
        self._held = ExitStack()
        self._tables = tables

    @property
    def on_demo(self) -> bool:
        """Whether nobody's tables are given, so that the demo world's are meant. Pairs may be a file of that world."""
        given = self.settings.input
        ours = given.pairs is None or self.demo.resolve() in Path(given.pairs).resolve().parents
        return ours and not (given.titles or given.history or given.impressions)

    def __enter__(self) -> Self:
        if self.night is None and self.store.has("run", run_id=self.origin.run_id, outcome=ENDED):
            raise RefusedInput(f"run id '{self.origin.run_id}' is taken in {self.store.uri}: give another, or none")
        if self.night is None and self.reads_inputs:
            whose.keep_apart(self.report.job, self.store, self.settings.input)
        if not self.dry_run:
            with ExitStack() as undo:
                if self.night is None:
                    self._begin(undo)
                self.store.vacuum(self._tables)
                self._held = undo.pop_all()
        return self

    def _begin(self, held: ExitStack) -> None:
        """Take the leases, and leave a trace. Errors: LeaseHeld, RunFailed."""
        for lease in self.leases:
            held.enter_context(lease)
        metrics.begin(self.report.job, self.settings.run.metrics_file, self._last_success())
        self.report.begin(self.store, config.as_json(self.settings), self.lease.fence.check)
        for dead in {lease.taken_from.run_id: lease.taken_from for lease in self.leases if lease.taken_from}.values():
            last = datetime.fromtimestamp(dead.renewed, UTC)
            self.report.notes.append(
                f"took over from run {dead.run_id} (process {dead.pid} on {dead.host}), which ended without a word; "
                f"its last sign of life is of {last:%Y-%m-%d %H:%M:%S} UTC"
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            ended = self._or_damage(error)  # what went wrong first is what to tell
            try:
                self._end(finished=error is None)
            except BaseException as later:
                ended = ended or later
            if self.night is None and not self.dry_run:
                self._record(ended)
            if ended is not error and ended is not None:
                raise ended

    def _or_damage(self, error: BaseException | None) -> BaseException | None:
        """The error, or one that says which committed part is damaged where it comes of reading that."""
        if isinstance(error, pa.ArrowInvalid | duckdb.Error) and self.store.path in str(error):
            try:
                with self.store.reading():
                    raise error
            except Exception as told:
                return told
        return error

    def _end(self, *, finished: bool) -> None:
        self.close()
        if self.night is None:
            phases.finish()
        if finished and not self.dry_run:
            self.lease.fence.check()
            used = {(phase.name, phase.model_key) for phase in self.report.phases}
            self.report.notes += current.settle(self.store, used, self.origin)
            if self.night is None:
                self.report.notes += compaction.crowded(self.store, self.settings.upkeep.warn_parts)

    def _record(self, error: BaseException | None) -> None:
        outcome, message = _ended(error)
        if error is None and self.report.all_left():
            message = f"{NOTHING_BEGUN if self.report.idle else ''}{'; '.join(self.report.all_left())}"
        with suppress(Exception) if error else nullcontext():
            price = self.settings.cost.per_gpu_hour
            self.report.record(self.store, config.as_json(self.settings), outcome, message, price)
        metrics.end(outcome, success=error is None and not message.startswith(NOTHING_BEGUN))
        with suppress(Exception) if error else nullcontext():
            views.refresh(self.store)

    def _last_success(self) -> float | None:
        """When a run of this job last ended well, in seconds since 1970, where somebody is told of it."""
        on_cluster = self.settings.run.executor == "ray" and "RAY_ADDRESS" in os.environ
        if not (self.settings.run.metrics_file or on_cluster):
            return None
        with tables.connect() as db:
            self.store.register(db, "run")
            found = """SELECT max(epoch(started_at) + seconds) FROM run
            WHERE job = $job AND outcome = 'done' AND NOT starts_with(message, $nothing)"""
            (row,) = db.execute(found, {"job": self.report.job, "nothing": NOTHING_BEGUN}).fetchall()
        return None if row[0] is None else float(row[0])

    def out_of_time(self, report: PhaseReport) -> bool:
        """Whether the deadline has passed with work left in a phase; then a note says so."""
        late = self.deadline.passed and report.left > 0
        if late:
            told = f"{report.name}: {report.left:,} of {report.new:,} are left for the next run"
            self.report.leave(f"{told}, for {self.deadline} has passed")
        return late

    def declare_current(self) -> None:
        """What the settings `pin` say is current from now on. Errors: RefusedInput naming the setting."""
        pins = self.settings.pin.model_dump()
        self.report.notes += current.declare(self.store, pins, self.origin, dry_run=self.dry_run)

    def close(self) -> None:
        """Let go of what the job holds besides the leases."""
