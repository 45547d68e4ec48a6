"""Cases of a parametrized test of which `make test` runs some, and `make test-slow` the others."""

from collections.abc import Iterable
from typing import Any

import pytest


def fast_first(cases: Iterable[Any], fast: int) -> list[Any]:
    """So many of the first ones are fast."""
    marked: list[Any] = []
    for number, case in enumerate(cases):
        values = case if isinstance(case, tuple) else (case,)
        marked.append(case if number < fast else pytest.param(*values, marks=pytest.mark.slow))
    return marked
