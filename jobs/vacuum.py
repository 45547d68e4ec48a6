"""Remove the parts that nobody can see any more, once nobody could for days; a dry run lists them.

These are the parts that `make compact` made others of, and what killed writers left behind.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.upkeep.job import Upkeep
from jobs import cli


def vacuum(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Upkeep("vacuum", settings, run_id, dry_run) as job:
        job.vacuum()
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("vacuum", __doc__ or "", vacuum))
