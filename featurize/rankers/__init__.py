"""How a ranker is found by its name: it is one file in this folder. `inference/ranker.py` has the contract."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from featurize.errors import RefusedInput, did_you_mean


def rankers() -> list[str]:
    """Names of all rankers in this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_ranker(name: str) -> Any:
    """The module of a ranker. Errors: RefusedInput for a name that is not a file here."""
    if name not in rankers():
        known = rankers()
        raise RefusedInput(f"ranker '{name}' is unknown; there are: {', '.join(known)}{did_you_mean(name, known)}")
    return importlib.import_module(f"{__name__}.{name}")
