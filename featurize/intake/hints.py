"""Why a file may not be found: there is one beside it whose name looks the same, or the path is of another system."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache


def hint(path: str) -> str:
    """What to tell about a local path that is not there, with `; ` in front; empty where nothing comes to mind."""
    if path.startswith("s3://"):
        return ""
    if re.search(r"(^|/)[A-Za-z]:[\\/]|\\", path):
        return "; it looks like a path of Windows: write it as this machine sees it, with /"
    folder, _, name = path.rpartition("/")
    while folder and not os.path.isdir(folder):
        folder, _, name = folder.rpartition("/")
    found = _names(folder or "/").get(_alike(name))
    if found is None or found == name:
        return ""
    if found.strip() == name.strip():
        why = "without the blanks at its ends" if name != name.strip() else "with blanks at its ends"
    elif _composed(found) == _composed(name):
        why = "with its accents composed otherwise (Unicode NFC and NFD)"
    else:
        why = "with other capitals or blanks"
    return f"; there is '{found}' in {folder or '/'}, {why}"


def _alike(name: str) -> str:
    return _composed(name).strip().casefold()


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


@lru_cache(maxsize=4)
def _names(folder: str) -> dict[str, str]:
    """The names in a folder by what they look like."""
    try:
        return {_alike(name): name for name in os.listdir(folder)}
    except OSError:
        return {}
