"""Measures of speed, accuracy and memory, each with the target that was promised. See `jobs/bench.py`.

A measure is a function of a `Setup` that returns `Figure`s. Those of `ON_A_BARE_MACHINE` need a folder and a model,
and neither Ray nor the demo catalogue.
"""

from __future__ import annotations

from collections.abc import Callable

from featurize.bench.agreement import bfloat16, draft
from featurize.bench.efficiency import efficiency
from featurize.bench.figures import Figure, Setup, text
from featurize.bench.memory import memory
from featurize.bench.planning import no_op, planning

__all__ = ["MEASURES", "Figure", "Setup", "text"]

MEASURES: dict[str, Callable[[Setup], list[Figure]]] = {
    "efficiency": efficiency,
    "bfloat16": bfloat16,
    "draft": draft,
    "planning": planning,
    "no-op": no_op,
    "memory": memory,
}
