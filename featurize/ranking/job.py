"""The steps of the rank job: find the prompts, then each ranker orders the candidates of those it has not ranked yet.

The committed rows say what is missing, so the job can be stopped anywhere and run again. A run ranks one recipe: the
held-out prompts of the current logged one, or all of the current nightly one (`prompts.kind=nightly`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.execution import phases, plan
from featurize.execution.run import hopeless
from featurize.inference.exploration import Explore
from featurize.inference.extractor import model_key
from featurize.inference.ranker import Data, Given, RankerSettings
from featurize.job_run import JobRun
from featurize.rankers import load_ranker
from featurize.ranking import data, phase
from featurize.ranking.phase import Phase
from featurize.report import PhaseReport, Progress, ask, shown
from featurize.storage import current, tables
from featurize.storage.tables import sql

JOB = "rank"
PROMPTS_HERE = 20_000
"""Prompts of a shard of a ranker that runs in this process: a part's."""


@dataclass(frozen=True)
class Planned:
    """A ranker of this run. `name` is short and its own."""

    name: str
    ranker: str
    settings: RankerSettings
    given: Given


class Ranking(JobRun):
    """One run of the job. Errors of every method: RefusedInput, RunFailed."""

    def __init__(self, settings: Settings, run_id: str, dry_run: bool = False) -> None:
        super().__init__(JOB, ["ranking", "choice"], settings, run_id, dry_run)
        self.wanted, self.kind = settings.rank, settings.prompts.kind
        self.explore = Explore.of(self.wanted.explore)
        if not self.wanted.rankers:
            raise RefusedInput("rank.rankers names no ranker")
        if not self.store.there():
            raise RefusedInput(f"{self.store.uri} has no prompts: run `make prompts` first")
        self.db = tables.connect()
        self.scratch = tempfile.TemporaryDirectory(prefix="personal-artwork-rank-")
        self._data: Data | None = None

    def close(self) -> None:
        phases.finish()
        self.db.close()
        if self._data is not None:
            self._data.db.close()
        self.scratch.cleanup()

    def find_prompts(self) -> None:
        """The prompts to rank, as table `prompt_to_rank` of `self.db`: which, where they lie, and in what order."""
        self.declare_current()
        self.recipe = self._recipe(self.kind)
        parts = self.store.parts("prompt", self.recipe)
        source = self.store.of_parts("prompt", parts)
        columns = ["prompt_id", "member_id", "asked_at", "split", "kind", "propensities", "tokens_by", "artwork_ids"]
        self.db.register("found", source.scanner(columns=[*columns, "__filename"]))
        self.db.execute(sql("ranking", "found"), {"folder": f"{self.store.path}/", "split": self.wanted.split})
        self.db.unregister("found")
        count = tables.scalar(self.db, "SELECT count(*) FROM prompt_to_rank")
        self.report.counts = {"prompts": count}
        if not count:
            of = "" if self.kind == "nightly" else f" of split {self.wanted.split}"
            raise RefusedInput(f"{self.store.uri} has no {self.kind} prompts{of} of the current recipe {self.recipe}")
        which = "all nightly" if self.kind == "nightly" else f"logged, split {self.wanted.split}"
        self.report.notes.append(f"prompts of recipe {self.recipe}: {which}")

    def _recipe(self, kind: str) -> str:
        feature = f"{kind}_prompt"
        found = current.models(self.store, features=[feature])
        if feature not in found:
            how = "make prompts" if kind == "logged" else "make prompts SET=prompts.kind=nightly"
            raise RefusedInput(f"{self.store.uri} has no {kind} prompts: run `{how}` first")
        return found[feature].model_key

    def rankers(self) -> Iterator[Planned]:
        """The rankers that the settings name, an LLM once per model. All are known before the first one runs."""
        planned: list[Planned] = []
        for name in self.wanted.rankers:
            module = load_ranker(name)
            settings = getattr(self.wanted, name, None) or module.Settings()
            if not module.Ranker.per_model:
                planned.append(Planned(name, name, settings, Given(seed=self.wanted.seed, data=self.data)))
                continue
            for model in self._models():
                given = Given(model, self.wanted.orders, seed=self.wanted.seed)
                planned.append(Planned(f"{name}:{_short(model)}", name, settings, given))
        for each in planned:
            phase.fingerprint(each.ranker, each.settings, each.given, self.explore)
        yield from planned

    def _models(self) -> tuple[str, ...]:
        if self.wanted.models:
            return self.wanted.models
        begun, made = self.settings.posttrain, self.settings.posttrain.output
        base = f"{begun.base}@{begun.revision}" if begun.revision else begun.base
        return (base, made) if Path(made).is_dir() else (base,)

    @property
    def data(self) -> Data:
        """What fitted rankers read, opened when the first one asks."""
        if self._data is None:
            self._data = data.open_data(
                self.store, self.settings, self._recipe("logged"), self.demo, Path(self.scratch.name)
            )
        return self._data

    def rank(self, planned: Planned) -> None:
        """Every prompt that this ranker has no rows of."""
        module = load_ranker(planned.ranker)
        found = phase.fingerprint(planned.ranker, planned.settings, planned.given, self.explore)
        key = model_key(found)
        if not self.dry_run:
            phases.record_model(self.store, self.lease.fence, found, self.origin)
        missing = self._missing(key, module.Ranker.needs, planned.name)
        report = PhaseReport(planned.name, key, new=missing.num_rows)
        self.report.phases.append(report)
        if self.dry_run or not report.new:
            return
        here = not module.Ranker.per_model
        settings = self.settings
        if here:
            settings = settings.model_copy(update={"run": settings.run.model_copy(update={"executor": "local"})})
        with Progress(planned.name, report.new, "prompt", loading=planned.name) as progress:
            crew = phases.crew(settings, planned.settings)
            work = self._work(planned, key, crew.cpus)
            size = PROMPTS_HERE if here else min(self.wanted.shard_prompts, -(-report.new // crew.workers))
            shards = plan.shards(missing, key, size)
            for outcome in phases.execute(settings, work, shards, crew.workers, progress.advance):
                report.done += outcome.done
                report.quarantined += outcome.quarantined
                hopeless(report.quarantined, report.done, work, work.max_failed)
            report.startup_s, report.work_s = progress.startup_s, progress.work_s

    def _work(self, planned: Planned, key: str, cpus: int) -> Phase:
        given = planned.given
        return Phase(
            name=planned.name,
            ranker=planned.ranker,
            settings=planned.settings,
            given=Given(given.model, given.orders, given.prior, given.seed, cpus, given.data),
            explore=self.explore,
            model_key=key,
            cpus=cpus,
            max_failed=self.settings.run.max_failed,
            store=self.store,
            fence=self.lease.fence,
            origin=self.origin,
        )

    def _missing(self, key: str, needs: str, name: str) -> pa.Table:
        """Prompts that the ranker can rank and has not: key, source (their part), attempts."""
        able = f"coalesce({needs or 'true'}, false)"
        self.db.execute(f"CREATE OR REPLACE TEMP VIEW asked AS SELECT *, {able} AS able FROM prompt_to_rank")
        unable = tables.scalar(self.db, "SELECT count(*) FROM asked WHERE NOT able")
        if unable:
            self.report.notes.append(f"{name}: leaves out {unable:,} prompts, as it can only rank where {needs}")
        self.store.register(self.db, "ranking", [key])
        self.store.register(self.db, "quarantine", [key])
        parameters: dict[str, Any] = {"model_key": key, "max_attempts": self.settings.run.max_attempts}
        return tables.arrow(self.db, sql("ranking", "todo"), parameters)

    def summary(self) -> str:
        """The last lines of the run."""
        question = "SELECT * FROM ranked LIMIT 10"
        return self.report.text(shown(self.store.uri), ask(self.store, question), self.dry_run)


def _short(model: str) -> str:
    """A model's name without the folder, owner or revision."""
    return model.partition("@")[0].rstrip("/").replace(":", "/").rpartition("/")[2]
