"""Post-train and judge every ranker on the demo world `paper`, by its logs and by its truth: hours on two cores.

It goes on from where it was interrupted. Remove the work folder to begin anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from featurize.paper import stages
from jobs import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when all stages are done; else 1, or 2 for what cannot be read."""
    asked = parser().parse_args(argv)
    return cli.answered(partial(_paper, asked), "interrupted; the next run goes on from there")


def _paper(asked: argparse.Namespace) -> int:
    for stage in stages.stages(asked.work, asked.set, asked.methods):
        stages.run(stage, asked.work)
    stages.publish(asked.work, asked.out)
    print(f"\nthe records of all stages: {asked.out}")
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m jobs.paper", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--work", type=Path, default=Path("paper"), help="folder of store, models and records")
    made.add_argument("--out", type=Path, default=Path("infra/paper"), help="where the records are kept")
    made.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", help="one setting for all of the jobs; repeatable"
    )
    made.add_argument(
        "--methods", nargs="+", choices=stages.METHODS, default=stages.METHODS, help="ways to post-train; default: all"
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
