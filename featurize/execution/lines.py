"""A line on standard error for every shard that is committed: key=value, or JSON for what collects logs.

A person at a terminal sees the progress bar instead, unless JSON is asked for.
"""

from __future__ import annotations

import json
import shlex
import sys
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

from featurize.execution.run import Outcome, Work


def tell(phase: Work, outcome: Outcome, *, as_json: bool) -> None:
    if not as_json and sys.stderr.isatty():
        return
    told = fields(phase, outcome)
    text = json.dumps(told) if as_json else " ".join(f"{name}={_plain(value)}" for name, value in told.items())
    tqdm.write(text, file=sys.stderr)


def fields(phase: Work, outcome: Outcome) -> dict[str, Any]:
    """What the line says; seconds are those of `report.Spent`."""
    spent = outcome.spent.rounded()
    devices = spent.pop("worker_s")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": phase.origin.run_id,
        "phase": phase.name,
        "model_key": outcome.shard.model_key,
        "shard": outcome.shard.id,
        "done": outcome.done,
        "quarantined": dict(outcome.quarantined),
        **spent,
        "worker": outcome.worker,
        "worker_s": round(sum(devices.values()), 3),
        "device": next(iter(devices), ""),
    }


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        value = ",".join(f"{name}:{count}" for name, count in sorted(value.items())) or 0
    return shlex.quote(str(value)) if value != "" else '""'
