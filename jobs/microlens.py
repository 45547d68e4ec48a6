"""MicroLens-100K's files as titles and history for `make recommend`. You bring the files; their terms are theirs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from featurize.recommending import microlens
from jobs import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 where a file or line is refused."""
    asked = parser().parse_args(argv)
    return cli.answered(partial(_convert, asked.source, asked.target))


def _convert(source: Path, target: Path) -> int:
    print(microlens.convert(source, target))
    print(f"try: make recommend TITLES={target}/title.parquet HISTORY={target}/history.parquet STORE=...")
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m jobs.microlens", description=(__doc__ or "").strip())
    made.add_argument("source", type=Path, help="folder with *_pairs.csv and *_title*.csv")
    made.add_argument("target", type=Path, help="folder to write title.parquet and history.parquet to")
    return made


if __name__ == "__main__":
    cli.leave(main())
