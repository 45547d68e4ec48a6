"""A store as one HTML page for people: what ran, what it found, what is chosen for whom, and what that is worth.

Choose the titles that fit, read runs, words, rankings and values, make thumbnails, write the page. Nothing of the store
is changed.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.reporting.job import Reporting
from jobs import cli


def report(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Reporting(settings, dry_run) as job:
        job.choose()
        job.read()
        job.draw()
        job.write()
        print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("report", __doc__ or "", report))
