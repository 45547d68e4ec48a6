"""What is to be won in the demo world: the true values of policies from random choice to the oracle.

The world in demo/ is read where it is there; else its tables are made in a temporary folder, without the pictures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from featurize.demo import world
from featurize.demo.titles import titles
from featurize.demo.values import values
from jobs import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0; 1 when it was interrupted; 2 when the folder of the world holds something else, or not all of it."""
    size = parser().parse_args(argv).size
    return cli.answered(partial(_headroom, size))


def _headroom(size: str) -> int:
    folder = Path("demo") / size
    if world.is_complete(folder, size):
        print(values(folder))
        return 0
    with tempfile.TemporaryDirectory() as made:
        amounts = world.SIZES[size]
        world.write_tables(Path(made), list(titles(amounts.titles, 0)), amounts, 0)
        print(values(Path(made)))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m jobs.headroom", description=(__doc__ or "").splitlines()[0])
    made.add_argument("size", nargs="?", choices=sorted(world.SIZES), default="small", help="default: small")
    return made


if __name__ == "__main__":
    sys.exit(main())
