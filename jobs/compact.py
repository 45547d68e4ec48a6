"""Many small parts of each table to few sized ones, beside readers and running jobs.

Parts are merged folder by folder, so a model, recipe, day or bucket keeps its own. What was merged stays where queries
that found it before still open it, until `make vacuum` removes it.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.upkeep.job import Upkeep
from jobs import cli


def compact(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Upkeep("compact", settings, run_id, dry_run) as job:
        job.compact()
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("compact", __doc__ or "", compact))
