"""What ran and how it ended: the strip of nights, the newest runs, coverage over time, throughput and where time went.

Reads `told_run`, `run` and `coverage` and whatever these hold: an outcome or a kind of seconds that this file has never
heard of is shown by its name.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any

import duckdb

from featurize.reporting.sheet import Row, rows
from featurize.storage import tables

NIGHTS = 28
RUNS = 40
RUNS_TIMED = 24
MOST_QUARANTINED = 60
MOST_POINTS = 80
"""Moments of the lines of coverage."""
STATES = {
    "failed": ("✕", "failed"),
    "refused": ("!", "refused"),
    "killed": ("†", "killed"),
    "interrupted": ("‖", "interrupted"),
    "partly": ("◐", "done with work left"),
    "started": ("…", "goes on"),
    "done": ("✓", "done"),
}
"""Sign and words of each way in which a run ends, the worst first."""
LOST = re.compile(r"left over|(^|\.)removed$|(^|\.)quarantine|no prompt|no longer|left out|without|lacking|damaged")
NEW = re.compile(r"(^|\.)new|changed$|choices|done|made")
"""Counts by their names: what somebody looks for in the morning, and after it what came of the night."""
FEWEST_TOLD, MOST_TOLD = 4, 8
"""Counts of a run that stand in its row; the rest is one click away."""
NEVER_A_MODEL = ("worker_crashed", "timeout")
"""Reasons of pictures that must not be decoded here: they took a worker with them."""


def strip(db: duckdb.DuckDBPyConnection, today: date) -> Row:
    """The last nights by job: `days` and `jobs`, each with a cell a night (None where nothing ran for it)."""
    first = today - timedelta(days=NIGHTS - 1)
    cells: dict[str, dict[date, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows(db, "nights", since=first):
        cells[row["job"]][row["night"]].append(row)
    days = [first + timedelta(days=number) for number in range(NIGHTS)]
    jobs = [{"name": job, "cells": [_cell(nights.get(day, [])) for day in days]} for job, nights in cells.items()]
    newest = db.execute("SELECT max(started_at) FROM runs").fetchall()[0][0]
    return {"days": days, "jobs": jobs, "idle_days": (today - newest.date()).days if newest else None}


def _cell(found: Sequence[Row]) -> Row | None:
    if not found:
        return None
    order = list(STATES)
    known = sorted(found, key=lambda row: order.index(row["state"]) if row["state"] in order else -1)
    last = max(found, key=lambda row: row["last_at"])
    told = ", ".join(f"{row['runs']} {STATES.get(row['state'], ('', row['state']))[1]}" for row in known)
    return {
        "state": known[0]["state"],
        "mended": known[0]["state"] != last["state"] == "done",
        "told": told,
        "seconds": sum(row["seconds"] or 0 for row in found),
        "message": next((row["message"] for row in known if row["message"]), ""),
        "run_id": known[0]["run_id"],
    }


def runs(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """The newest runs, newest first; `counts` are (name, count, whether something was lost), the lost ones first.

    As many of them as `told` says are for the row itself.
    """
    return [row | _counts(dict(row["counts"] or ()), row["left_over"]) for row in rows(db, "runs", most=RUNS)]


def _counts(known: Mapping[str, int], left_over: int) -> Row:
    """What was lost, what is new, the rest, and last whatever is 0."""
    counts = {"left over": left_over, **known} if left_over else known
    lost: list[tuple[str, int, bool]] = []
    new, rest, none = lost[:], lost[:], lost[:]
    for name, count in counts.items():
        kind = none if not count else lost if LOST.search(name) else new if NEW.search(name) else rest
        kind.append((name, count, kind is lost))
    return {"counts": lost + new + rest + none, "told": min(max(FEWEST_TOLD, len(lost)), MOST_TOLD)}


def times(db: duckdb.DuckDBPyConnection) -> Row:
    """Where the time of the newest runs that had phases went, oldest first, and the rate of every phase over them.

    `spent` of a run has (phase, kind, seconds of wall-clock time); the last one, of no phase, is all else. `inside` are
    the newest runs of each job that say what their shards were at.
    """
    told: list[Row] = []
    inside: dict[str, Row] = {}
    rates: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in reversed(rows(db, "phases", most=RUNS_TIMED)):
        phases = json.loads(row["phases"] or "[]")
        spent = [(phase["name"], kind, seconds) for phase in phases for kind, seconds in _seconds(phase)]
        for phase in phases:
            done = phase["done"] + sum(phase["quarantined"].values())
            if done and phase["work_s"]:
                point = {"at": row["started_at"], "rate": done / phase["work_s"], "done": done}
                rates[phase.get("job", row["job"]), phase["name"]].append(point)
        if any(phase.get("spent") for phase in phases):
            inside[row["job"]] = _inside(row, phases)
        if spent:
            rest = max(0.0, row["seconds"] - sum(seconds for _, _, seconds in spent))
            told.append(row | {"spent": [*spent, ("", "", rest)]})
    return {
        "runs": told,
        "inside": [*inside.values()],
        "phases": list(dict.fromkeys(name for row in told for name, _, _ in row["spent"] if name)),
        "most": max((sum(seconds for _, _, seconds in row["spent"]) for row in told), default=0),
        "rates": [
            {"job": job, "phase": name, "points": found, "most": max(each["rate"] for each in found)}
            for (job, name), found in rates.items()
        ],
    }


def _seconds(phase: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Wall-clock seconds of a phase. Those of its workers, several at once, are told apart from these."""
    kinds = (("startup_s", "start-up"), ("work_s", "work"))
    return [(kind, phase[key]) for key, kind in kinds if phase.get(key)]


def _inside(row: Row, phases: Sequence[Mapping[str, Any]]) -> Row:
    """`phases` with their seconds by kind, whatever kinds there are, and `whole`: (name, value) of the run."""
    spent = {phase["name"]: _flat(phase.get("spent") or {}) for phase in phases}
    kinds = list(dict.fromkeys(kind for each in spent.values() for kind in each if kind.endswith("_s")))
    whole = _flat(json.loads(row["whole"] or "{}"))
    return {**row, "kinds": kinds, "phases": spent, "whole": [(name, value) for name, value in whole.items() if value]}


def _flat(spent: Mapping[str, Any]) -> dict[str, float]:
    """Numbers by name; those by kind of device, such as worker_s, as `H200 worker_s`."""
    found: dict[str, float] = {}
    for name, value in spent.items():
        if isinstance(value, Mapping):
            found |= {f"{kind} {name}": each for kind, each in value.items()}
        elif isinstance(value, int | float):
            found[name] = value
    return found


def coverage(db: duckdb.DuckDBPyConnection) -> Row:
    """What each model has done of today's pictures (`now`), and shares of the catalogue over time (`lines`)."""
    columns = "feature, model_key, current, pictures, done, failed, quarantined, pending"
    now = tables.arrow(db, f"SELECT {columns} FROM coverage").to_pylist()
    return {"now": now, **over_time(db)}


def over_time(db: duckdb.DuckDBPyConnection) -> Row:
    """`lines`: for each model points (share of the time, artworks done); `catalogue` is the same of all artworks."""
    changes: dict[tuple[str, str], dict[datetime, int]] = defaultdict(dict)
    for row in rows(db, "covered_over_time"):
        changes[row["feature"], row["model_key"]][row["moment"]] = row["change"]
    moments = sorted({moment for found in changes.values() for moment in found})
    if not moments:
        return {"lines": [], "catalogue": None}
    if len(moments) > MOST_POINTS:  # evenly through time; a change counts at the next of these
        first, last = moments[0], moments[-1]
        moments = [first + (last - first) * number / (MOST_POINTS - 1) for number in range(MOST_POINTS)]
    lines = {
        key: list(accumulate(sum(_between(found, before, moment)) for before, moment in _steps(moments)))
        for key, found in changes.items()
    }
    catalogue = lines.pop(("", ""), [0] * len(moments))
    current = {key for (key,) in db.execute("SELECT model_key FROM current_model").fetchall()}
    return {
        "moments": moments,
        "catalogue": catalogue,
        "most": max(catalogue, default=0),
        "lines": [
            {"feature": feature, "model_key": key, "current": key in current, "done": done}
            for (feature, key), done in sorted(lines.items(), key=lambda each: (each[0][0], each[0][1] not in current))
        ],
    }


def _steps(moments: Sequence[datetime]) -> list[tuple[datetime | None, datetime]]:
    return list(zip([None, *moments[:-1]], moments, strict=True))


def _between(changes: Mapping[datetime, int], after: datetime | None, until: datetime) -> list[int]:
    return [change for moment, change in changes.items() if moment <= until and (after is None or moment > after)]


def quarantine(db: duckdb.DuckDBPyConnection) -> Row:
    """What stands between today's catalogue and the current models, newest first, and how much of each reason."""
    reasons = db.execute("SELECT reason, count(*) FROM quarantine_open GROUP BY reason ORDER BY 2 DESC, 1").fetchall()
    found = rows(db, "quarantine", most=MOST_QUARANTINED) if reasons else []
    for row in found:
        row["safe"] = bool(row["image_sha256"]) and row["reason"] not in NEVER_A_MODEL
    return {"reasons": reasons, "rows": found, "total": sum(count for _, count in reasons)}
