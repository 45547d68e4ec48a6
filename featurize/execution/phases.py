"""From settings to the phases of a run: which models, under which keys, and who executes them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from featurize import metrics
from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.execution import lines, run
from featurize.execution.deadline import NEVER, Deadline
from featurize.execution.plan import Shard
from featurize.execution.run import Advance, Outcome, Work
from featurize.inference.extractor import ModelSettings, Placement, model_key
from featurize.inference.torch_device import open_device
from featurize.models import load_backend
from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store
from featurize.storage.tables import Origin


def fingerprint_of(settings: ModelSettings) -> dict[str, Any]:
    """The fingerprint of a model section. Errors: RefusedInput when its weights or prompt are missing."""
    found: dict[str, Any] = load_backend(settings.backend).Extractor.fingerprint(settings)
    return found


def text_settings(embed: ModelSettings) -> ModelSettings | None:
    """Settings of the text tower that belongs to an image-embedding backend, if it has one."""
    backend = load_backend(embed.backend).TEXT_BACKEND
    if backend is None:
        return None
    settings: ModelSettings = load_backend(backend).Settings(**{**embed.model_dump(), "backend": backend})
    return settings


def record_model(store: Store, fence: Fence, fingerprint: Mapping[str, Any], origin: Origin) -> str:
    """Say in table `model` what a key stands for, once; returns the key."""
    key = model_key(fingerprint)
    if store.has("model", model_key=key):
        return key
    row = {
        "model_key": [key],
        "backend": [fingerprint["backend"]],
        "fingerprint": [json.dumps(fingerprint, sort_keys=True)],
        **origin.columns(1),
        "computed_at": [datetime.now(UTC)],
    }
    store.commit("model", "", key, tables.rows("model", row), check=fence.check)
    return key


@dataclass(frozen=True)
class Crew:
    """How many workers a phase gets, and how many CPUs each."""

    workers: int
    cpus: int


def crew(settings: Settings, model: Placement) -> Crew:
    """Ask the executor what it can hold; starts Ray when that is the executor.

    Errors: RefusedInput when the model asks for a GPU and there is none; RunFailed when the cluster does not answer.
    """
    if settings.run.executor == "local":
        if model.device == "cuda":
            open_device(model.device, None)
        mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return Crew(1, model.cpus or mine)
    try:
        from featurize.execution import ray_run
    except ImportError as error:
        raise RefusedInput("run.executor = 'ray' needs Ray, which is not installed; there is also 'local'") from error
    ray_run.start()
    return Crew(*ray_run.places(model, settings.run.wait_for_nodes))


def execute(
    settings: Settings,
    phase: Work,
    shards: Iterable[Shard],
    workers: int,
    advance: Advance,
    deadline: Deadline = NEVER,
) -> Iterator[Outcome]:
    """Outcomes of the shards that begin before the deadline, from the executor that `run.executor` names.

    Each is told of in a line. Errors: RunFailed, RefusedInput.
    """
    if settings.run.executor == "local":
        found = run.run_local(phase, deadline.until(shards), advance)
    else:
        from featurize.execution import ray_run

        executor = ray_run.RayExecutor(
            phase,
            advance,
            workers=workers,
            stall_seconds=settings.run.stall_seconds,
            wait_for_nodes=settings.run.wait_for_nodes,
            deadline=deadline,
        )
        found = _counted(phase.store, executor.outcomes(shards))
    for outcome in found:
        lines.tell(phase, outcome, as_json=settings.run.log_json)
        _measure(phase.name, outcome)
        yield outcome


def _measure(phase: str, outcome: Outcome) -> None:
    """What the metrics tell of a shard."""
    for reason, count in outcome.quarantined.items():
        metrics.add("artwork_items_failed_total", count, phase, reason)
    for stage in metrics.STAGES:
        metrics.add("artwork_stage_seconds_total", vars(outcome.spent)[f"{stage}_s"], phase, stage)
    for kind, tokens in outcome.tokens.items():
        metrics.add("artwork_tokens_total", tokens, phase, kind)
    metrics.most("artwork_worker_memory_bytes", outcome.memory, phase)


def _counted(store: Store, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """What workers wrote through copies of `store` counts as written through it."""
    for outcome in outcomes:
        store.written += outcome.spent.bytes_written
        yield outcome


def finish() -> None:
    """Let go of what `crew` started, if it did."""
    ray_run = sys.modules.get("featurize.execution.ray_run")
    if ray_run is not None:
        ray_run.stop()
