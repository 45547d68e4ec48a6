"""Whether a worker's memory grows with the number of images.

A worker is a process of its own here, and works on three sets of pictures of different length through the job's code.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from featurize import config
from featurize.bench import process, workload
from featurize.bench.efficiency import run_job, with_executor
from featurize.bench.figures import Figure, Setup
from featurize.images.decode import Limits

SHARES = (0.2, 1.0, 4.0)
"""Images of the three runs, as shares of the setup's."""
DIFFERENT = 100
"""Drawn pictures; the others are copies that differ in bytes after the end of the picture."""
WORKER = "from pathlib import Path; from featurize.bench import memory; memory.work(Path('pictures'))"
MOST_GROWTH = 10.0
"""MB in 1,000 images: no leak, but what an allocator holds back for its threads still varies so much."""


def measure(setup: Setup) -> list[Figure]:
    """Peak memory of a worker that has the profile's small CLIP, and its growth from the second set to the third."""
    counts = [max(1, int(setup.images * share)) for share in SHARES]
    print(f"a worker each for {', '.join(f'{count:,}' for count in counts)} images", flush=True)
    peaks = []
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
            _copies(Path(folder, "pictures"), count)
            peaks.append(process.run([sys.executable, "-c", WORKER], Path(folder)).peak_bytes / 1e6)
    growth = 1000 * (peaks[-1] - peaks[1]) / (counts[-1] - counts[1])
    note = "; ".join(f"{count:,} images: {peak:,.0f} MB" for count, peak in zip(counts, peaks, strict=True))
    return [
        Figure("a worker's peak memory", peaks[-1], "MB", note),
        Figure("  its growth in 1,000 images", growth, "MB", at_most=MOST_GROWTH),
    ]


def work(folder: Path) -> None:
    """What the worker does: embed the pictures of a folder in this process."""
    settings = with_executor(config.load("local"), "local")
    assert settings.embed is not None
    limits = Limits(**settings.limits.model_dump())
    run_job(settings, settings.embed, workload.items(sorted(folder.iterdir()), limits))


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
