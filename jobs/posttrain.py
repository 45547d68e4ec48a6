"""An LLM and the prompts of split train to an LLM that chooses artwork.

Read what a method learns from, measure it in the tokens of the base model, train with TRL, put the model folder in its
place. A killed run goes on from its last checkpoint; with the same prompts and settings there is nothing to do.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.posttraining.job import PostTraining
from jobs import cli


def posttrain(settings: Settings, run_id: str, dry_run: bool) -> None:
    with PostTraining(settings, run_id, dry_run) as job:
        job.read_prompts()
        job.open_base()
        job.reason()
        job.measure()
        job.train()
        job.publish()
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("posttrain", __doc__ or "", posttrain))
