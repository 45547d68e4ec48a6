"""The steps of the jobs compact and vacuum. They share a lease, so neither works on what the other is about to change.

What happens to parts is told in `storage.compaction`; here a run goes through the tables and says what it did.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.job_run import JobRun
from featurize.report import ask, shown
from featurize.storage import compaction, views
from featurize.storage.lease import Lease

LEASE = "upkeep"
MB = 2**20


class Upkeep(JobRun):
    """One run of a job of upkeep. Errors of every method: RunFailed."""

    def __init__(self, job: str, settings: Settings, run_id: str, dry_run: bool = False) -> None:
        super().__init__(job, [], settings, run_id, dry_run)
        if not self.store.has_parts(*views.TABLES):  # else a mistyped folder would become one, and be well every week
            raise RefusedInput(f"{self.store.uri} is no store: give the folder of one, or run `make featurize` first")
        self.lease = Lease(self.store, LEASE, run_id)
        self.leases = [self.lease]
        self.now = datetime.now(UTC)

    def compact(self) -> None:
        """Every table, one after the other; what is done is done, whatever comes after."""
        if not self.dry_run:
            compaction.sweep(self.store)
        counts = self.report.counts = {"small parts": 0, "made of them": 0}
        part_bytes = int(self.settings.upkeep.part_mb * MB)
        for table in views.TABLES:
            small, made = compaction.compact(
                self.store, table, part_bytes, self.lease.fence.check, dry_run=self.dry_run
            )
            counts["small parts"] += small
            counts["made of them"] += made
            if small:
                print(f"{table}: {small:,} small parts to {made:,}", flush=True)

    def vacuum(self) -> None:
        """Remove what nobody could see for `upkeep.keep_days`; a dry run lists it."""
        if not self.dry_run:
            compaction.sweep(self.store)
        counts = self.report.counts = {"parts removed": 0, "bytes freed": 0}
        for each in compaction.leftovers(self.store, timedelta(days=self.settings.upkeep.keep_days), self.now):
            counts["parts removed"] += each.parts
            counts["bytes freed"] += each.bytes
            if self.dry_run:
                print(
                    f"{each.name}: {each.parts:,} parts, {each.bytes / MB:.1f} MB, unseen since {each.since:%Y-%m-%d}"
                )
            else:
                self.lease.fence.check()
                compaction.remove(self.store, each)

    def summary(self) -> str:
        """The last lines of the run."""
        return self.report.text(
            shown(self.store.uri), ask(self.store, f"FROM runs WHERE job = '{self.report.job}'"), self.dry_run
        )
