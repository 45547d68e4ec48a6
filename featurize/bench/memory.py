"""Whether a worker's memory grows with the number of images.

The job runs as a process of its own, with the worker inside it, on three catalogues of different length.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from featurize.bench import process, workload
from featurize.bench.figures import Figure, Setup

SHARES = (0.2, 1.0, 4.0)
"""Images of the three runs, as shares of the setup's."""
DIFFERENT = 100
"""Drawn pictures; the others are copies that differ in bytes after the end of the picture."""
SETTINGS = ("run.executor=local", "run.shard_images=128", "describe=null", "input.artwork=pictures", "store=store")
GROWTH = 10.0
"""MB in 1,000 images that count as no growth: what threads and allocators hold back differs from run to run."""


def measure(setup: Setup) -> list[Figure]:
    """Peak memory of the job's process, worker included, with the profile's CLIP, and its growth."""
    counts = [max(1, int(setup.images * share)) for share in SHARES]
    print(f"running the job on {', '.join(f'{count:,}' for count in counts)} images, for its memory", flush=True)
    sets = [argument for setting in SETTINGS for argument in ("--set", setting)]
    peaks = []
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
            _copies(Path(folder, "pictures"), count)
            peaks.append(process.run([sys.executable, "-m", "jobs.featurize", *sets], Path(folder)).peak_bytes / 1e6)
    growth = 1000 * (peaks[-1] - peaks[1]) / (counts[-1] - counts[1])
    note = "; ".join(f"{count:,} images: {peak:,.0f} MB" for count, peak in zip(counts, peaks, strict=True))
    return [
        Figure("a worker's peak memory", peaks[-1], "MB", note),
        Figure("  its growth in 1,000 images", growth, "MB", at_most=GROWTH),
    ]


def _copies(folder: Path, count: int) -> None:
    """`count` files of different content, half as wide and high as the drawn pictures."""
    folder.mkdir()
    originals = []
    for path in workload.pictures(min(count, DIFFERENT)):
        half = folder / "half.jpg"
        with Image.open(path) as picture:
            picture.reduce(2).save(half, quality=workload.QUALITY)
        originals.append(half.read_bytes())
        half.unlink()
    for number in range(count):
        data = originals[number % len(originals)]
        (folder / f"{number:06}.jpg").write_bytes(data + str(number).encode())
