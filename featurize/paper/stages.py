"""The commands of the experiment, one after the other, and what each of them came to.

Every stage is a job that anybody can run by hand, in a process of its own. Invariant: a stage that is done is not run
again unless one was that it reads from, and one that was interrupted goes on from where it was; its record counts the
seconds of all its sittings.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from featurize.errors import RunFailed
from featurize.paper import rationales
from featurize.posttraining import folder
from featurize.report import code_version
from featurize.storage import tables, views
from featurize.storage.store import Store
from featurize.storage.tables import sql

WORLD = "paper"
METHODS = ("weighted", "sft", "direct", "reward_model", "sft_reasoning", "dpo")
BASE = "bundled:ranker"
GOES_ON = {"direct": "sft"}
"""Methods that begin with what another one made."""
TRAINING = ("epochs=1", "batch_size=16")
OF_METHOD = {
    "weighted": ("learning_rate=1e-3",),
    "sft": ("learning_rate=1e-3",),
    "direct": ("validation=0.5", "readings=5"),
    "reward_model": ("learning_rate=1e-3", "validation=0.5", "readings=5"),
    "sft_reasoning": ("learning_rate=1e-3",),
    "dpo": (),
}
"""Further settings. Two learn from every answer, which are by far the most, and so from half of the members."""
TEMPLATE = "multiple-choice-short-v2"
PLOT = "evaluation.png"
Record = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """`arguments` are those of Python, `reads` the stages it reads from.

    `found` says what is worth keeping of the result, and `before` is done first.
    """

    name: str
    arguments: tuple[str, ...]
    found: Callable[[], Record] = dict
    before: Callable[[], None] = lambda: None
    reads: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        return " ".join(["python", *self.arguments])


def stages(work: Path, settings: Sequence[str], methods: Sequence[str] = METHODS) -> list[Stage]:
    """All of them, in order. `settings` (a.b=value) go to every job; `methods` are the ways to post-train.

    What a method goes on from is trained with it.
    """
    wanted = {*methods, *(GOES_ON[method] for method in methods if method in GOES_ON)}
    methods = [method for method in METHODS if method in wanted]
    store, world = work / "store", Path("demo") / WORLD
    reasons = work / "rationales.parquet"
    models = {method: work / f"model-{method}" for method in methods}
    runs = {name: partial(_runs, Store(str(store)), name) for name in ("featurize", "prompts", "rank", "evaluate")}

    def job(name: str, *own: str) -> tuple[str, ...]:
        given = (f"input.demo={WORLD}", f"store={store}", *own, *settings)
        return ("-m", f"jobs.{name}", *(f"--set={one}" for one in given))

    def trained(method: str) -> Stage:
        base = models[GOES_ON[method]] if method in GOES_ON else BASE
        own = [f"posttrain.method={method}", f"posttrain.base={base}", f"posttrain.output={models[method]}"]
        own += [f"posttrain.{one}" for one in (*TRAINING, *OF_METHOD[method])]
        explains = method == "sft_reasoning"
        return Stage(
            f"posttrain-{method}",
            job("posttrain", *own, *([f"posttrain.rationales={reasons}"] if explains else [])),
            lambda: _model(models[method]),
            (lambda: rationales.write(Store(str(store)), world, reasons)) if explains else lambda: None,
            ("prompts", *([f"posttrain-{GOES_ON[method]}"] if method in GOES_ON else [])),
        )

    ranked = json.dumps([BASE, *map(str, models.values())])
    return [
        Stage("featurize", job("featurize"), runs["featurize"]),
        Stage("prompts", job("prompts", f"prompts.template={TEMPLATE}"), runs["prompts"], reads=("featurize",)),
        *map(trained, methods),
        Stage(
            "rank",
            job("rank", f"rank.models={ranked}"),
            runs["rank"],
            reads=("prompts", *(f"posttrain-{method}" for method in methods)),
        ),
        Stage("evaluate", job("evaluate"), lambda: runs["evaluate"]() | _values(Store(str(store))), reads=("rank",)),
    ]


def run(stage: Stage, work: Path) -> Record:
    """Run a stage unless its record says that it is done. Errors: RunFailed, with the command in it."""
    file = _record(work, stage.name)
    record = _read(file) or {"seconds": 0.0}
    read = max((_read(_record(work, name)).get("ended_at", "") for name in stage.reads), default="")
    if record.get("done") and record["command"] == stage.command and record["ended_at"] >= read:
        return record
    print(f"\n== {stage.name}: {stage.command}", flush=True)
    begun = time.monotonic()
    code = None
    try:
        stage.before()
        code = subprocess.run([sys.executable, *stage.arguments], check=False).returncode
    finally:
        record |= {
            "stage": stage.name,
            "command": stage.command,
            "seconds": round(record["seconds"] + time.monotonic() - begun, 3),
            "done": code == 0,
            "ended_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "code_version": code_version(),
            "machine": {"system": platform.platform(), "cpus": os.cpu_count()},
        }
        if code == 0:
            record |= stage.found()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if code:
        raise RunFailed(f"stage {stage.name} ended with code {code}, see above; the next run goes on from there")
    return record


def _record(work: Path, name: str) -> Path:
    return work / "records" / f"{name}.json"


def _read(file: Path) -> Record:
    """Empty where there is none."""
    found: Record = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def publish(work: Path, out: Path) -> None:
    """Copy the records and the plot to where they are kept."""
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted((work / "records").glob("*.json")):
        shutil.copy(file, out / file.name)
    if Path(PLOT).is_file():
        shutil.copy(PLOT, out / PLOT)


def _model(place: Path) -> Record:
    made = json.loads((place / folder.RECORD).read_text(encoding="utf-8"))
    return {
        "model_key": made["model_key"],
        "weights": folder.weights_digest(place),
        "learnt_from": made["counts"],
        "figures": made["figures"],
    }


def _runs(store: Store, job: str) -> Record:
    with views.connect(store) as db:
        rows = tables.arrow(db, sql("paper", "runs"), {"job": job}).to_pylist()
    return {"runs": [row | {"started_at": f"{row['started_at']:%Y-%m-%dT%H:%M:%SZ}"} for row in rows]}


def _values(store: Store) -> Record:
    with views.connect(store) as db:
        rows = tables.arrow(db, sql("paper", "values"), {}).to_pylist()
    return {"policies": rows}
