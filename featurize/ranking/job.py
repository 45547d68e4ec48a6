"""The steps of the rank job: find the prompts, then each ranker orders the candidates of those it has not ranked yet.

The committed rows say what is missing, so the job can be stopped anywhere and run again. A run ranks one recipe: the
held-out prompts of the current logged one, or all of the current nightly one (`prompts.kind=nightly`).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from featurize.config import Settings
from featurize.errors import NothingYet, RefusedInput, RunFailed
from featurize.execution import phases, plan
from featurize.execution.plan import Shard
from featurize.execution.run import Outcome, Work, hopeless
from featurize.inference import causal_lm
from featurize.inference.exploration import Explore
from featurize.inference.extractor import model_key
from featurize.inference.ranker import Data, Given, Prior, RankerSettings
from featurize.job_run import JobRun
from featurize.rankers import load_ranker
from featurize.ranking import choosing, data, letter_use, phase, prior
from featurize.ranking.phase import Phase
from featurize.report import PhaseReport, Progress, ask, shown
from featurize.storage import current, tables
from featurize.storage.tables import sql

JOB = "rank"
PROMPTS_HERE = 2_000
"""Prompts of a shard of a ranker that runs in this process: so many are held as objects at once."""
PLANNED = 100_000
"""Prompts whose shards are planned at once; the others wait in DuckDB, and beyond `prompts.memory` in its files."""


@dataclass(frozen=True)
class Planned:
    """A ranker of this run. `name` is short and its own."""

    name: str
    ranker: str
    settings: RankerSettings
    given: Given


class Ranking(JobRun):
    """One run of the job. Errors of every method: RefusedInput, RunFailed."""

    def __init__(self, settings: Settings, run_id: str, dry_run: bool = False, night: JobRun | None = None) -> None:
        super().__init__(JOB, ["ranking", "choice"], settings, run_id, dry_run, night)
        self.wanted, self.kind = settings.rank, settings.prompts.kind
        self.explore = Explore.of(self.wanted.explore)
        if not self.wanted.rankers:
            raise RefusedInput("rank.rankers names no ranker")
        if not self.store.has_parts("prompt"):
            raise RefusedInput(f"{self.store.uri} has no prompts: run `make prompts` first")
        self.scratch = tempfile.TemporaryDirectory(prefix="personal-artwork-rank-")
        self.db = tables.connect()
        folder = self.scratch.name.replace("'", "''")
        self.db.execute(f"SET temp_directory = '{folder}'; SET memory_limit = '{settings.prompts.memory}'")
        self.data = Data(self._open_data)
        self.unanswered: dict[str, str] = {}
        self.served: tuple[str, str] | None = None
        """Name and key of the last ranker that could rank some of the prompts."""
        self.able: list[str] = []
        """Keys of all that could."""

    def close(self) -> None:
        self.db.close()
        if "db" in vars(self.data):
            self.data.db.close()
        self.scratch.cleanup()

    def find_prompts(self) -> None:
        """The prompts to rank, as table `prompt_to_rank` of `self.db`: which, where they lie, and in what order."""
        self.declare_current()
        self.recipe = self._recipe(self.kind)
        self.folder = self.recipe
        if self.night and self.kind == "nightly":  # what was asked for earlier nights needs no choice any more
            self.folder += f"/{self.moment:%Y-%m-%d}"
        parts = self.store.parts("prompt", self.folder)
        source = self.store.of_parts("prompt", parts)
        columns = ["prompt_id", "member_id", "asked_at", "split", "kind", "propensities", "artwork_ids"]
        columns += ["tokens_by", "template_key"]
        self.db.register("found", source.scanner(columns=[*columns, "__filename"]))
        self.db.execute(sql("ranking", "found"), {"folder": f"{self.store.path}/", "split": self.wanted.split})
        self.db.unregister("found")
        count = tables.scalar(self.db, "SELECT count(*) FROM prompt_to_rank")
        self.report.counts = {"prompts": count}
        if not count:
            of = "" if self.kind == "nightly" else f" of split {self.wanted.split}"
            refused = RefusedInput if self.kind == "nightly" else NothingYet
            raise refused(f"{self.store.uri} has no {self.kind} prompts{of} of the current recipe {self.folder}")
        which = "all nightly" if self.kind == "nightly" else f"logged, split {self.wanted.split}"
        if self.folder != self.recipe:
            which = f"nightly, of {self.moment:%Y-%m-%d}"
        self.report.notes.append(f"prompts of recipe {self.recipe}: {which}")

    def _recipe(self, kind: str) -> str:
        feature = f"{kind}_prompt"
        found = current.models(self.store, features=[feature])
        if feature not in found:
            how = "make prompts" if kind == "logged" else "make prompts SET=prompts.kind=nightly"
            raise NothingYet(f"{self.store.uri} has no {kind} prompts: run `{how}` first")
        return found[feature].model_key

    def rankers(self) -> Iterator[Planned]:
        """The rankers that the settings name, an LLM once per model. All are known before the first one runs."""
        planned: list[Planned] = []
        most = tables.scalar(self.db, "SELECT max(candidates) FROM prompt_to_rank")
        for name in self.wanted.rankers:
            module = load_ranker(name)
            settings = getattr(self.wanted, name, None) or module.Settings()
            if 0 < settings.letters < most:
                told = f"ranker '{name}' reads {settings.letters} letters at most, and a prompt has {most} candidates"
                raise RefusedInput(told)
            asked = Given(orders=self.wanted.orders, seed=self.wanted.seed)
            if module.Ranker.per_model:
                planned += [
                    Planned(f"{name}:{_short(model)}", name, settings, replace(asked, model=_placed(model)))
                    for model in self._models()
                ]
            elif settings.letters:
                planned.append(Planned(name, name, settings, asked))
            else:
                planned.append(Planned(name, name, settings, Given(seed=self.wanted.seed, data=self.data)))
        known, lacking = [], None
        for each in planned:
            try:
                self._fingerprint(each)
            except NothingYet as reason:  # a first night has no log to learn from
                lacking = reason
                self.report.notes.append(f"{each.name} was left out: {reason}")
                continue
            self._compare_tokens(each)
            self._compare_templates(each)
            known.append(each)
        if lacking is not None and not known:
            raise lacking
        yield from known

    def _compare_tokens(self, planned: Planned) -> None:
        """Prompts were kept short by another tokenizer's count: nothing is cut here, so that is no more than a note."""
        counted = tables.scalar(self.db, "SELECT any_value(tokens_by) FROM prompt_to_rank")
        own = (
            causal_lm.resolve(planned.given.model).tokens_by
            if planned.ranker == "llm" and planned.given.model
            else None
        )
        if own and counted != "characters" and counted != own:
            self.report.notes.append(
                f"{planned.name}: the prompts' tokens were counted by {counted}, and this model's tokenizer is {own}"
            )

    def _compare_templates(self, planned: Planned) -> None:
        """A model that was post-trained on other pages reads these too, but not as it was taught."""
        if planned.ranker != "llm" or not planned.given.model:
            return
        learnt = causal_lm.record(Path(planned.given.model)).get("template_key")
        asked = tables.scalar(self.db, "SELECT any_value(template_key) FROM prompt_to_rank")
        if learnt and learnt != asked:
            self.report.notes.append(
                f"{planned.name} was post-trained on prompts of {learnt}, and these are of {asked}: make them of the"
                " same prompts.template, or post-train it on these"
            )

    def _models(self) -> tuple[str, ...]:
        if self.wanted.models:
            return self.wanted.models
        begun, made = self.settings.posttrain, self.settings.posttrain.output
        base = f"{begun.base}@{begun.revision}" if begun.revision else begun.base
        return (base, made) if Path(made).is_dir() else (base,)

    def _open_data(self) -> duckdb.DuckDBPyConnection:
        folder, recipe = Path(self.scratch.name), self._recipe("logged")
        if data.history_of(self.store, self.settings) is None:
            self.report.notes.append(
                "rankers that learn do not know what members played: input.history (HISTORY=) is not set"
            )
        found = data.open_data(self.store, self.settings, recipe, folder)
        strangers = data.strangers(found, self.settings)
        self.report.notes += [strangers.told] if strangers else []
        return found

    def rank(self, planned: Planned) -> None:
        """Every prompt that this ranker has no rows of; before that, the prior of its letters where one is wanted."""
        if planned.settings.letters and self.wanted.prior == "pride":
            known = self._prior(planned)
            if known is None:
                if self.dry_run:
                    self.report.notes.append(f"{planned.name}: the letters' prior is not estimated in a dry run")
                return
            planned = replace(planned, given=replace(planned.given, prior=known))
        found = self._fingerprint(planned)
        key = model_key(found)
        if not self.dry_run:
            phases.record_model(self.store, self.lease.fence, found, self.origin)
        report = PhaseReport(planned.name, key, new=self._plan_missing(planned, key))
        self.report.phases.append(report)
        if self.dry_run:
            return
        for outcome in self._execute(planned, key, report, lambda work: work):
            report.add(outcome)
        self.out_of_time(report)
        self._tell_letters(planned.name, key)

    def _fingerprint(self, planned: Planned) -> dict[str, Any]:
        return phase.fingerprint(planned.ranker, planned.settings, planned.given, self.explore)

    def _execute(
        self, planned: Planned, key: str, report: PhaseReport, wrap: Callable[[Phase], Work]
    ) -> Iterator[Outcome]:
        """Outcomes of the shards of table `planned`. Errors: RunFailed when most fail."""
        if not report.new or self.deadline.passed:
            return
        settings, here = self.settings, not planned.settings.letters
        if here:
            settings = settings.model_copy(update={"run": settings.run.model_copy(update={"executor": "local"})})
        with Progress(report.name, report.new, "prompt", loading=planned.name) as progress:
            crew = phases.crew(settings, planned.settings)
            work = Phase(
                name=report.name,
                ranker=planned.ranker,
                settings=planned.settings,
                given=replace(planned.given, cpus=crew.cpus),
                explore=self.explore,
                model_key=key,
                cpus=crew.cpus,
                max_failed=self.settings.run.max_failed,
                store=self.store,
                fence=self.lease.fence,
                origin=self.origin,
            )
            most = PROMPTS_HERE if here else min(self.wanted.shard_prompts, -(-report.new // crew.workers))
            failed: Counter[str] = Counter()
            done = 0
            report.here = settings.run.executor == "local"
            shards = self._shards(key, most, report.new)
            done_by = phases.execute(settings, wrap(work), shards, crew.workers, progress.advance, self.deadline)
            for outcome in done_by:
                yield outcome
                failed, done = failed + outcome.quarantined, done + outcome.done
                hopeless(failed, done, work, work.max_failed)
            report.startup_s, report.work_s = progress.startup_s, progress.work_s

    def _prior(self, planned: Planned) -> Prior | None:
        """The prior of a model's letters: the recorded one, or it is estimated.

        None without one in a dry run, or where there is no time for all of it.
        """
        query = "SELECT any_value(template_key), list(DISTINCT candidates) FROM prompt_to_rank"
        template_key, counts = self.db.execute(query).fetchall()[0]
        self.store.register(self.db, "model")
        known = prior.recorded(self.db, self._fingerprint(planned), template_key, set(counts))
        if known or self.dry_run:
            return known
        sampled = {"seed": self.wanted.seed, "at_least": prior.AT_LEAST, "share": prior.SHARE}
        count = self._plan("sample", sampled)
        asked = replace(planned, given=replace(planned.given, orders=prior.ALL_ORDERS))
        key = model_key(self._fingerprint(asked))
        report = PhaseReport(f"{planned.name} prior", key, new=count)
        self.report.phases.append(report)
        found = []
        for outcome in self._execute(asked, key, report, prior.Estimate):
            report.add(outcome)
            found.append(outcome.found or {})
        if self.out_of_time(report):  # of fewer prompts it would be another prior
            return None
        return prior.of(template_key, found)

    def _tell_letters(self, name: str, key: str) -> None:
        """How an LLM used the letters, in all that it has ranked of the prompts asked for."""
        use = letter_use.measure(self.db, self.store, self.recipe, key)
        if use is None:
            return
        self.report.notes.append(f"{name}: {use.told()}")
        if use.share < self.wanted.min_letter_share:
            told = (
                f"{name} does not answer the question: its letters have {use.share:.0%} of its probability, and "
                f"rank.min_letter_share = {self.wanted.min_letter_share:g} is wanted"
            )
            self.report.notes.append(told)
            self.unanswered[key] = told

    def choose(self) -> None:
        """Of nightly prompts, what the last ranker chose as rows of `choice`. Errors: RunFailed without answers."""
        if self.kind != "nightly" or self.dry_run:
            return
        if self.served is None and self.deadline.passed:
            return
        if self.served is None:
            raise RunFailed("nothing is chosen: none of rank.rankers can rank nightly prompts")
        name, key = self.served
        if key in self.unanswered:
            raise RunFailed(f"{self.unanswered[key]}; so nothing is chosen by it")
        self.db.execute("RESET memory_limit")  # what a bucket of choices takes cannot wait in files
        with self.report.spent.on("write_s"):
            written = choosing.choose(
                self.db,
                self.store,
                self.folder,
                key,
                seed=self.wanted.seed,
                explores=self.explore.kind != "none",
                origin=self.origin,
                fence=self.lease.fence,
            )
        self.report.counts["choices"] = written
        self.report.notes.append(f"table choice: what {name} chose, {key}")

    def _plan_missing(self, planned: Planned, key: str) -> int:
        """Plan the prompts that the ranker can rank and has not; returns how many."""
        needs, name = load_ranker(planned.ranker).Ranker.needs, planned.name
        able = f"coalesce({needs or 'true'}, false)"
        self.db.execute(f"CREATE OR REPLACE TEMP VIEW asked AS SELECT *, {able} AS able FROM prompt_to_rank")
        unable = tables.scalar(self.db, "SELECT count(*) FROM asked WHERE NOT able")
        if unable < self.report.counts["prompts"]:
            self.served = (name, key)
            self.able.append(key)
        if unable:
            self.report.notes.append(f"{name}: leaves out {unable:,} prompts, as it can only rank where {needs}")
        self.store.register(self.db, "ranking", [key])
        self.store.register(self.db, "quarantine", [key])
        return self._plan("todo", {"model_key": key, "max_attempts": self.settings.run.max_attempts})

    def _plan(self, query: str, parameters: dict[str, Any]) -> int:
        """Make a query's prompts table `planned`: key, source (their part), attempts. Returns how many there are."""
        self.db.execute(f"CREATE OR REPLACE TEMP TABLE planned AS {sql('ranking', query)}", parameters)
        return int(tables.scalar(self.db, "SELECT count(*) FROM planned"))

    def _shards(self, key: str, size: int, count: int) -> Iterator[Shard]:
        """Of table `planned`, read piece by piece as they are asked for."""
        step = size * max(1, PLANNED // size)
        for begin in range(0, count, step):
            rows = "FROM planned WHERE rowid >= $begin AND rowid < $end ORDER BY rowid"
            piece = tables.arrow(self.db, rows, {"begin": begin, "end": begin + step})
            yield from plan.shards(piece, key, size)

    def summary(self) -> str:
        """The last lines of the run."""
        question = "FROM current_choice LIMIT 10" if self.kind == "nightly" else "FROM ranked LIMIT 10"
        return self.report.text(shown(self.store.uri), ask(self.store, question), self.dry_run)


def _placed(model: str) -> str:
    """A folder by its whole path, since workers may start elsewhere; any other name as it is."""
    folder = Path(model).expanduser()
    return str(folder.resolve()) if folder.is_dir() else model


def _short(model: str) -> str:
    """A model's name without the folder, owner or revision."""
    return model.partition("@")[0].rstrip("/").replace(":", "/").rpartition("/")[2]
