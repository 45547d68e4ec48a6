"""How a backend is found by its name: it is one file in this folder. `inference/extractor.py` has the contract."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from featurize.errors import RefusedInput, did_you_mean


def backends() -> list[str]:
    """Names of all backends in this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def load_backend(name: str) -> Any:
    """The module of a backend. Errors: RefusedInput for a name that is not a file here."""
    if name not in backends():
        known = backends()
        raise RefusedInput(f"backend '{name}' is unknown; there are: {', '.join(known)}{did_you_mean(name, known)}")
    return importlib.import_module(f"{__name__}.{name}")
