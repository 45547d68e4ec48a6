"""Videos and sound that tests make for themselves with ffmpeg; without it these tests are skipped."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

needs_ffmpeg = pytest.mark.skipif(not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg is missing")
WORDS = {"red": "300", "lime": "030", "blue": "003", "yellow": "330", "white": "333", "black": "000"}
"""What the fake model says of a frame of one colour."""


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def film(
    path: Path,
    colours: Sequence[str] = ("red", "lime", "blue"),
    seconds: float = 1.0,
    size: str = "64x48",
    sound: str | None = "sine=440",
    options: Sequence[str] = (),
) -> Path:
    """A video of so many seconds of each colour, 25 frames a second, with the sound of this filter."""
    inputs = [part for each in colours for part in ("-f", "lavfi", "-i", f"color={each}:s={size}:r=25:d={seconds}")]
    mapped = ["-filter_complex", "".join(f"[{n}:v]" for n in range(len(colours))) + f"concat=n={len(colours)}[v]"]
    if sound is not None:
        inputs += ["-f", "lavfi", "-t", str(seconds * len(colours)), "-i", sound]
        mapped += ["-map", f"{len(colours)}:a"]
    coded = [] if path.suffix == ".webm" else ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    ffmpeg(*inputs, *mapped, "-map", "[v]", *coded, *options, path)
    return path


def films(folder: Path, count: int, colours: Sequence[str] = ("white", "black")) -> Path:
    """So many videos that look alike and are different files: a box of nothing more at the end of each."""
    folder.mkdir(parents=True, exist_ok=True)
    data = film(folder / "0.mp4", colours).read_bytes()
    for number in range(1, count):
        (folder / f"{number}.mp4").write_bytes(data + b"\0\0\0\x08free" * number)
    return folder


def noise(path: Path, sound: str = "sine=440", seconds: float = 3.0, options: Sequence[str] = ()) -> Path:
    """A file with nothing but sound, of this filter."""
    ffmpeg("-f", "lavfi", "-t", str(seconds), "-i", sound, *options, path)
    return path


def cut(path: Path, to: Path, share: float = 0.5) -> Path:
    """The first part of a file."""
    data = path.read_bytes()
    to.write_bytes(data[: int(len(data) * share)])
    return to
