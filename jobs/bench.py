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
from featurize.errors import RefusedInput, RunFailed
from featurize.report import code_version


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when everything was measured, whether or not the targets were met."""
    asked = parser().parse_args(argv)
    figures: list[bench.Figure] = []
    code = 0
    begun = time.perf_counter()
    try:
        # The profile's CLIP is too small for its speed to say anything.
        settings = config.load("local", [f"embed.model={VIT_B_32}", *asked.set])
        for name in asked.only or (name for name in bench.MEASURES if name not in bench.ON_REQUEST):
            print(f"-- {name}", flush=True)
            try:
                figures += bench.MEASURES[name](bench.Setup(settings, asked.artwork, asked.images))
            except RunFailed as error:  # the figures of the others are worth keeping
                figures.append(bench.Figure(name, None, "", "failed, see above"))
                print(f"error: {error}", file=sys.stderr)
                code = 1
    except RefusedInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    report = {
        "measured_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "seconds": time.perf_counter() - begun,
        "code_version": code_version(),
        "machine": {
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "gpu": gpu(settings),
        },
        "settings": json.loads(config.as_json(settings)),
        "figures": [figure.as_json() for figure in figures],
    }
    asked.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"\n{bench.text(figures)}\n\nthe same as JSON: {asked.out}")
    return code


def gpu(settings: config.Settings) -> str | None:
    """What the measured models ran on, if it was a GPU."""
    if not any(model and model.device == "cuda" for model in (settings.embed, settings.describe)):
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


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
