"""Features, histories and impressions to the prompts that an LLM ranks, trains on and is judged by.

Read the inputs, ask one question per impression (or per member and title to rank tonight), account for every row that
came in, recall what each member did before that moment, write the prompts. The committed rows say which are there; a
rerun makes what is missing. With `prompts.show` it prints prompts that are there, and makes none.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.prompting.job import Prompting
from featurize.prompting.show import show
from jobs import cli


def steps(job: Prompting) -> None:
    job.read_inputs()
    job.ask()
    job.account()
    job.recall()
    job.write()
    job.export()


def prompts(settings: Settings, run_id: str, dry_run: bool) -> None:
    if settings.prompts.show is not None:
        print(show(settings))
        return
    with Prompting(settings, run_id, dry_run) as job:
        steps(job)
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("prompts", __doc__ or "", prompts))
