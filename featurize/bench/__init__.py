"""Measures of speed, accuracy and memory, each with the target that was promised. See `jobs/bench.py`.

A measure is a function of a `Setup` that returns `Figure`s. Those of models (efficiency, bfloat16, draft) need
nothing but torch, the model's own package and a folder; they use Ray where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable

from featurize.bench import (
    agreement,
    efficiency,
    evaluation,
    memory,
    near_duplicates,
    planning,
    prompts,
    ranking,
    similar,
)
from featurize.bench.figures import Figure, Setup, text

__all__ = ["MEASURES", "ON_REQUEST", "Figure", "Setup", "text"]

MEASURES: dict[str, Callable[[Setup], list[Figure]]] = {
    "efficiency": efficiency.measure,
    "bfloat16": agreement.bfloat16,
    "draft": agreement.draft,
    "planning": planning.dry_run,
    "planning-backfill": planning.backfill,
    "no-op": planning.no_op,
    "memory": memory.measure,
    "prompts": prompts.paper,
    "prompts-large": prompts.large,
    "prompts-dealt": prompts.dealt,
    "similar": similar.measure,
    "near-duplicates": near_duplicates.small,
    "near-duplicates-large": near_duplicates.large,
    "ranking": ranking.measure,
    "evaluate": evaluation.measure,
}
ON_REQUEST = {"planning-backfill", "prompts-large", "prompts-dealt", "near-duplicates-large"}
"""Take so long that they are measured only where they are named."""
