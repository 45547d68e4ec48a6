"""Prompts to rankings: which artwork would each ranker show?

Find the prompts (the held-out ones, or with prompts.kind=nightly those of tonight), then let every ranker order their
candidates; tonight's choices become table `choice`. The committed rows say what is missing: a rerun costs what is new.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.ranking.job import Ranking
from jobs import cli


def steps(job: Ranking) -> None:
    job.find_prompts()
    for ranker in job.rankers():
        job.rank(ranker)
    job.choose()


def rank(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Ranking(settings, run_id, dry_run) as job:
        steps(job)
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("rank", __doc__ or "", rank))
