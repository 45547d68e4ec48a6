"""Countries and languages by their names, where a code was given."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path


def name(kind: str, given: str) -> str:
    """`BR` as country is Brazil, `pt-BR` and `pt_BR.UTF-8` as language are Portuguese; what is no code stays."""
    code = given.strip()
    if kind == "language":
        code = code.partition(".")[0].replace("_", "-").partition("-")[0].lower()
    return _names().get(kind, {}).get(code.upper() if kind == "country" else code, given)


@cache
def _names() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("places.toml").read_text(encoding="utf-8"))
