"""Measure speed, accuracy and memory against their targets; print a table and write JSON.

With a folder and a model it runs where there is torch and little else:
python -m jobs.bench --only efficiency --artwork FOLDER --set embed.model=FOLDER --set embed.device=cuda
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from featurize import bench, config
from featurize.bench.workload import VIT_B_32
from featurize.errors import ArtworkError, RefusedInput
from featurize.report import code_version


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when everything was measured, whether or not the targets were met."""
    asked = parser().parse_args(argv)
    figures: list[bench.Figure] = []
    begun = time.perf_counter()
    try:
        # The profile's CLIP is too small for its speed to say anything.
        settings = config.load("local", [f"embed.model={VIT_B_32}", *asked.set])
        setup = bench.Setup(settings, asked.artwork, asked.images)
        for name in asked.only or bench.MEASURES:
            print(f"-- {name}", flush=True)
            figures += bench.MEASURES[name](setup)
    except ArtworkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, RefusedInput) else 1
    report = {
        "measured_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "seconds": time.perf_counter() - begun,
        "code_version": code_version(),
        "machine": {"system": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "settings": json.loads(config.as_json(settings)),
        "figures": [figure.as_json() for figure in figures],
    }
    asked.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"\n{bench.text(figures)}\n\nthe same as JSON: {asked.out}")
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m jobs.bench", description=(__doc__ or "").splitlines()[0])
    made.add_argument(
        "--only", action="append", choices=sorted(bench.MEASURES), metavar="NAME", help=", ".join(bench.MEASURES)
    )
    made.add_argument("--artwork", type=Path, help="folder of pictures to measure on (default: drawn ones)")
    made.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="a setting of profile 'local'")
    made.add_argument("--images", type=int, default=1000, help="size of the workload, which all measures scale with")
    made.add_argument("--out", type=Path, default=Path("bench.json"), help="where the JSON goes")
    return made


if __name__ == "__main__":
    sys.exit(main())
