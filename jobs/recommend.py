"""What members played to which titles to recommend next, by features and models: a table with intervals.

Read titles and history, know titles by their vectors, train each recommender on each split, rank all titles for what
members played after that, write table `recommendation_value`. Trainings that a killed run finished are not done again.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.recommending.job import Recommending
from jobs import cli


def steps(job: Recommending) -> None:
    job.read()
    job.represent()
    job.learn()
    job.judge()
    job.write()


def recommend(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Recommending(settings, run_id, dry_run) as job:
        steps(job)
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("recommend", __doc__ or "", recommend))
