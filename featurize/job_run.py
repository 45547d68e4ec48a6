"""How every job enters and leaves a run: the lease, what earlier runs left behind, the row in `run`, the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from featurize import config
from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.report import Report, code_version
from featurize.storage import compaction, current, views
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin


class JobRun:
    """One run of a job. As a context manager it holds the lease, and however it ends it records that.

    In a dry run nothing is written and no lease is taken. Errors on entering: LeaseHeld, RefusedInput when an earlier
    run of the store has this id, RunFailed.
    """

    def __init__(self, job: str, tables: Sequence[str], settings: Settings, run_id: str, dry_run: bool) -> None:
        self.settings, self.dry_run = settings, dry_run
        self.demo = Path("demo", settings.input.demo)
        self.store = Store(settings.store)
        self.origin = Origin(run_id, code_version())
        self.report = Report(job, run_id)
        self.lease = Lease(self.store, job, run_id)
        self._tables = tables

    def __enter__(self) -> Self:
        if self.store.has("run", run_id=self.origin.run_id):
            raise RefusedInput(f"run id '{self.origin.run_id}' is taken in {self.store.uri}: give another, or none")
        if not self.dry_run:
            with ExitStack() as undo:
                undo.enter_context(self.lease)
                self.store.vacuum(self._tables)
                undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        first = suppress(Exception) if error else nullcontext()  # what went wrong first is what to tell
        try:
            with first:
                self.close()
            if not self.dry_run:
                outcome = "done" if error is None else "failed" if isinstance(error, Exception) else "interrupted"
                with first:
                    self.report.record(self.store, config.as_json(self.settings), outcome, str(error or ""))
                if outcome == "done":
                    used = {phase.model_key for phase in self.report.phases}
                    self.report.notes += current.settle(self.store, used, self.origin)
                    self.report.notes += compaction.crowded(self.store, self.settings.upkeep.warn_parts)
                with first:
                    views.refresh(self.store)
        finally:
            if not self.dry_run:
                self.lease.__exit__(kind, error, trace)

    def declare_current(self) -> None:
        """What the settings `pin` say is current from now on. Errors: RefusedInput naming the setting."""
        pins = self.settings.pin.model_dump()
        self.report.notes += current.declare(self.store, pins, self.origin, dry_run=self.dry_run)

    def close(self) -> None:
        """Let go of what the job holds besides the lease."""
