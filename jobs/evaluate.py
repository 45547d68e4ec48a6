"""Rankings of held-out prompts to what each ranker would have earned, by production's log: off-policy values.

Read the rounds and the rankings, doubt both, estimate each policy's value with intervals and against the baseline,
write table `policy_value`, draw the plot.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.evaluating.job import Evaluating
from jobs import cli


def steps(job: Evaluating) -> None:
    job.read()
    job.doubt()
    job.estimate()
    job.write()


def evaluate(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Evaluating(settings, run_id, dry_run) as job:
        steps(job)
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("evaluate", __doc__ or "", evaluate))
