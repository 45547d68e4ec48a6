"""Artwork files to embeddings, tags and descriptions.

Look at the catalogue, then for each model compute what is missing: embed the pictures, embed the labels, tag the
pictures, compare them with each other, describe them. Every step asks the committed rows what is left to do, so a rerun
goes on where a run stopped.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.featurizing.job import Featurizing
from jobs import cli


def featurize(settings: Settings, run_id: str, dry_run: bool) -> None:
    with Featurizing(settings, run_id, dry_run) as job:
        job.look_at_catalogue()
        if settings.embed:
            images = job.compute("embed", settings.embed)
            job.tag(settings.embed, images)
            job.compare(settings.embed, images)
        if settings.describe:
            job.compute("describe", settings.describe)
    print(job.summary())


if __name__ == "__main__":
    cli.leave(cli.main("featurize", __doc__ or "", featurize))
