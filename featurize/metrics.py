"""What a monitoring system is told of a run: how far it is, what failed, where time went, when a job last succeeded.

All names are declared in `METRICS`; dashboard and alerts are checked against it. They go to a file for node-exporter's
textfile collector (`run.metrics_file`), and on a Ray cluster through `ray.util.metrics`, which puts `ray_` before them.
Invariant: what is told has no text in it but the words of this project (jobs, phases, stages, reasons), so no secret.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from featurize.errors import RunFailed

STAGES = ("read", "decode", "model", "write", "wait")
SECONDS = 10.0
"""Between two tellings while a run goes on."""


@dataclass(frozen=True)
class Metric:
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    words: str


METRICS: Mapping[str, Metric] = {
    "artwork_items_done_total": Metric("counter", ("task", "phase"), "Pictures, texts or prompts finished"),
    "artwork_items_failed_total": Metric("counter", ("task", "phase", "reason"), "Of these, quarantined, by reason"),
    "artwork_items_waiting": Metric("gauge", ("task", "phase"), "Planned and not finished"),
    "artwork_items_per_second": Metric("gauge", ("task", "phase"), "Finished a second, start-up left out"),
    "artwork_stage_seconds_total": Metric(
        "counter", ("task", "phase", "stage"), "Seconds of workers in read, decode, model, write and wait"
    ),
    "artwork_tokens_total": Metric("counter", ("task", "phase", "kind"), "Tokens of prompts and of answers"),
    "artwork_memory_bytes": Metric("gauge", ("task",), "Most memory that the process of the run has held"),
    "artwork_worker_memory_bytes": Metric("gauge", ("task", "phase"), "Most memory that a worker of it has held"),
    "artwork_run_started_timestamp_seconds": Metric("gauge", ("task",), "When the run began, seconds since 1970"),
    "artwork_run_ended_timestamp_seconds": Metric("gauge", ("task", "outcome"), "When it ended so; 0 while it runs"),
    "artwork_last_success_timestamp_seconds": Metric("gauge", ("task",), "When the job last ended well"),
}

Samples = dict[str, dict[tuple[str, ...], float]]
"""Values by name, and by those of the labels in their order."""

_samples: Samples = {}
_task = ""
_file: Path | None = None
_told = 0.0
also: list[Callable[[Samples], None]] = []
"""Other places that are told: Ray, where the run is on a cluster."""


def begin(task: str, file: str | None, last_success: float | None) -> None:
    """From now on a run of job `task` is told of. Errors: RunFailed when the file cannot be written."""
    global _task, _file, _told
    _samples.clear()
    _task, _file, _told = task, Path(file) if file else None, 0.0
    put("artwork_run_started_timestamp_seconds", time.time())
    put("artwork_run_ended_timestamp_seconds", 0, "done")
    if last_success is not None:
        put("artwork_last_success_timestamp_seconds", last_success)
    tell()


def end(outcome: str, *, success: bool) -> None:
    """The run is over; tells so, whatever comes of it: by then all is committed."""
    put("artwork_run_ended_timestamp_seconds", time.time(), outcome)
    if success:
        put("artwork_last_success_timestamp_seconds", time.time())
    with contextlib.suppress(RunFailed):
        tell()
    also.clear()


def put(name: str, value: float, *labels: str) -> None:
    """Set a gauge. `labels` are the values of those after `task`, in order."""
    _samples.setdefault(name, {})[_task, *labels] = value


def add(name: str, amount: float, *labels: str) -> None:
    """Raise a counter, or begin it with `amount`, which may be 0."""
    values = _samples.setdefault(name, {})
    values[_task, *labels] = values.get((_task, *labels), 0.0) + amount


def most(name: str, value: float, *labels: str) -> None:
    """Set a gauge to `value` where that is more."""
    put(name, max(value, _samples.get(name, {}).get((_task, *labels), 0.0)), *labels)


def progress(phase: str, finished: int, left: int, rate: float) -> None:
    """How far a phase is; tells of all that is known when it begins, and where some seconds have passed."""
    values = _samples.setdefault("artwork_items_done_total", {})
    begins = (_task, phase) not in values
    values[_task, phase] = finished
    put("artwork_items_waiting", max(left, 0), phase)
    put("artwork_items_per_second", rate, phase)
    if begins or time.monotonic() - _told >= SECONDS:
        tell()


def tell() -> None:
    """Write the file, whole, and tell the others. Errors: RunFailed when it cannot be written."""
    global _told
    _told = time.monotonic()
    put("artwork_memory_bytes", memory())
    for others in also:
        others(_samples)
    if _file is None:
        return
    from prometheus_client import CollectorRegistry, write_to_textfile

    registry = CollectorRegistry()
    registry.register(_Collector())
    try:
        write_to_textfile(str(_file), registry)
        os.chmod(_file, 0o644)  # another user reads it
    except OSError as error:
        raise RunFailed(f"run.metrics_file: {_file} cannot be written: {error}") from error


def memory() -> float:
    """The most bytes that this process has held."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class _Collector:
    """What `prometheus_client` asks for."""

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, values in _samples.items():
            metric = METRICS[name]
            family = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
                name, metric.words, labels=metric.labels
            )
            for labels, value in values.items():
                family.add_metric(labels, value)
            yield family
