"""A store in embedding-atlas: a map to walk through, with thumbnails, words and neighbours, in the browser.

Write what it reads as one Parquet file, then start it. Nothing of the store is changed.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.errors import RunFailed
from featurize.reporting.atlas import Atlas
from jobs import cli


def atlas(settings: Settings, run_id: str, dry_run: bool) -> None:
    job = Atlas(settings, dry_run)
    job.look()
    job.draw()
    job.write()
    print(job.summary(), flush=True)
    if not dry_run and (code := job.start()):
        raise RunFailed(f"embedding-atlas ended with exit code {code}")


if __name__ == "__main__":
    cli.leave(cli.main("atlas", __doc__ or "", atlas))
