"""Artwork files to embeddings, tags and descriptions; videos and sound to words.

Look at the catalogue, then for each model compute what is missing: embed the pictures, embed the labels, tag the
pictures, compare them with each other, describe them, then the clips. Every step asks the committed rows what is left
to do, so a rerun goes on where a run stopped.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.featurizing.job import Featurizing
from jobs import cli


def steps(job: Featurizing) -> None:
    embed, describe = job.settings.embed, job.settings.describe
    job.look_at_catalogue()
    if embed:
        images = job.compute("embed", embed)
        job.tag(embed, images)
        job.compare(embed, images)
    if describe:
        job.compute("describe", describe)
    job.compute_clips()
    if job.settings.text:
        job.embed_texts(job.settings.text)


def featurize(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Featurizing(settings, run_id, dry_run) as job:
        steps(job)
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("featurize", __doc__ or "", featurize))
