"""The artworks that are nearest to a text, an artwork or a picture file by CLIP: a table, and a page of thumbnails.

Reads a store and changes nothing in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from featurize import config
from featurize.report import shown
from featurize.reporting import find, find_page
from jobs import cli

MOST = 1000


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0; 1 when the storage or a GPU failed, 2 when what is asked has no answer, each with a sentence why."""
    asked = parser().parse_args(argv)
    return cli.answered(partial(_find, asked))


def _find(asked: argparse.Namespace) -> int:
    settings = config.load(asked.profile, asked.set)
    page = find_page.place(asked.html) if asked.html else None  # refused before a model is loaded
    if asked.like is None:
        answer = find.by_text(settings, asked.text, asked.top)
    else:
        answer = find.by_likeness(settings, asked.like, asked.top)
    print(find.table(answer, settings.store))
    if page is not None:
        find_page.write(page, answer, settings)
        print(f"\nthe same with thumbnails: {shown(str(page))}")
    return 0


def _top(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 to {MOST:,}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m jobs.find", description=(__doc__ or "").splitlines()[0])
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--text", help="find artworks for these words")
    what.add_argument("--like", metavar="ARTWORK", help="find what looks like this artwork_id, or this picture file")
    made.add_argument("--top", type=_top, default=12, help="so many at most (default: 12)")
    made.add_argument("--html", metavar="FILE", help="write them as a page of thumbnails, too")
    made.add_argument("--profile", default="local", help="a name of infra/profiles or a TOML file (default: local)")
    made.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", help="override one setting, such as store=FOLDER"
    )
    return made


if __name__ == "__main__":
    cli.leave(main())
