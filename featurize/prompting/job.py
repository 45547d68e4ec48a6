"""The steps of the prompts job: read the inputs, ask the questions, recall the histories, write the prompts.

A prompt's id follows from its recipe and its impression, and the committed rows say which are there; so the steps can
be stopped anywhere and run again, and a rerun costs what is new. Everything a prompt says is from before its moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Literal

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from featurize.config import Settings
from featurize.errors import ArtworkError, RefusedInput, RunFailed
from featurize.execution import phases
from featurize.execution.run import Outcome
from featurize.inference import letters
from featurize.inference.extractor import Placement, model_key
from featurize.intake import inputs
from featurize.job_run import JobRun
from featurize.prompting import (
    before,
    buckets,
    export,
    kept,
    labels,
    macros,
    parts,
    rebuild,
    recipe,
    scratch,
    template,
    words,
)
from featurize.prompting.accounting import Accounts
from featurize.prompting.wording import Wording
from featurize.report import PhaseReport, Progress, ask, shown
from featurize.storage import current, switch, tables
from featurize.storage.tables import sql

JOB = "prompts"


class Prompting(JobRun):
    """One run of the job. Errors of every method: RefusedInput, RunFailed."""

    reads_inputs = True

    def __init__(self, settings: Settings, run_id: str, dry_run: bool = False, night: JobRun | None = None) -> None:
        filled = ["prompt", "label", "title_state", "impression_state"]
        super().__init__(JOB, filled, settings, run_id, dry_run, night)
        if not self.store.has_parts("artwork", "description"):
            raise RefusedInput(f"{self.store.uri} has no descriptions: run `make featurize` first")
        self.wanted = settings.prompts
        self.moment = self.wanted.at or self.moment
        """What nightly prompts are for; their ids take the present moment by its day, so that a rerun asks the same."""
        self.template = template.load(self.wanted.template or recipe.template_name(self.store, self.wanted.kind))
        self.member_key = recipe.member_key(self.wanted)
        self.tokenizer, self.tokens_by = recipe.tokenizer(self.wanted)
        self.scratch = scratch.Folder()
        self.db = tables.connect()
        folder = str(self.scratch.path).replace("'", "''")
        self.db.execute(f"SET temp_directory = '{folder}'")
        self.accounts = Accounts(self.db, settings, self.report)
        self._run("macros")
        for statement in macros.statements(self.template):
            self.db.execute(statement)
        self._limit_memory()  # last: too little of it is told of by `__exit__`

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        told = self._told(error)
        super().__exit__(type(told) if told else None, told, trace)
        if told is not None and told is not error:
            raise told from error

    def _told(self, error: BaseException | None) -> BaseException | None:
        """What is no fault of a query, in a sentence, whichever step met it: a full disk, an input that breaks off."""
        match error:
            case duckdb.OutOfMemoryException():
                why = str(error).splitlines()[0]
                return RunFailed(f"DuckDB needs more than prompts.memory = {self.wanted.memory} ({why})")
            case BrokenPipeError() | duckdb.InterruptException():
                return error
            case duckdb.IOException() | OSError():
                return RunFailed(f"reading the inputs or writing temporary files: {error}")
            case duckdb.Error():
                try:
                    self._refuse_broken()
                except ArtworkError as broken:
                    return broken
        return error

    def close(self) -> None:
        self.db.close()
        if self.dealt:
            with suppress(RunFailed, OSError):  # the next run removes it, too
                buckets.clear(self.store)
        self.scratch.remove()

    def _limit_memory(self) -> None:
        try:
            self.db.execute(f"SET memory_limit = '{self.wanted.memory}'")
        except duckdb.Error as error:
            raise RefusedInput(f"prompts.memory: {self.wanted.memory} is no size that DuckDB takes") from error

    def read_inputs(self) -> None:
        """Look at files and features; leaves `history`, `impression` or `pair`, `title` and `artwork_state` in `db`."""
        if not self.dry_run:
            switch.recover(self.store, "prompt", self.lease.fence.check)
        for name, uri in self._files().items():
            if name == "title":
                words.titles(self.db, self.template, uri)
            else:
                inputs.view(self.db, name, uri, scratch=self.scratch.path, time_zone=self.settings.input.time_zone)
        if self.wanted.kind == "nightly" and not self.settings.input.impressions:
            tables.make(self.db, "impression")
            self.db.execute("ALTER TABLE impression ADD COLUMN fault VARCHAR")
            self.db.execute("ALTER TABLE impression ADD COLUMN fault_example VARCHAR")
        self.store.register(self.db, "artwork")
        self._run("artwork", as_of=self._as_of, newest=self.wanted.kind == "nightly" and self.wanted.at is None)
        models = current.models(self.store, self._as_of, ("description", "image_tag"))
        if self.wanted.as_of is None:  # what is pinned from now on counts, and is written down when nothing is refused
            pinned = current.declared(self.store, self.settings.pin.model_dump())
            models |= {name: choice for name, choice in pinned.items() if name in models}
        if "description" not in models:
            before = f" from before prompts.as_of = {self._as_of}" if self.wanted.as_of else ""
            raise RefusedInput(f"{self.store.uri} has no descriptions{before}: run `make featurize` first")
        self.descriptions = self.wanted.descriptions or models["description"].model_key
        if not self.store.parts("description", self.descriptions):
            raise RefusedInput(f"prompts.descriptions: there is no description of model '{self.descriptions}'")
        self.tags = models["image_tag"].model_key if "image_tag" in models else None

    @property
    def _as_of(self) -> str:
        return self.wanted.as_of.isoformat() if self.wanted.as_of else "infinity"

    def _files(self) -> dict[str, str]:
        """The inputs by the name of their contract: those that were given, or all of them from the demo world."""
        given = self.settings.input
        files = {"title": given.titles, "history": given.history}
        if self.wanted.kind == "logged" or given.impressions:
            files["impression"] = given.impressions
        paired = self.wanted.kind == "nightly" and not (self.wanted.active_days and self.wanted.rank)
        if paired:
            if given.pairs is None and not self.on_demo:
                raise RefusedInput("nightly prompts need input.pairs (PAIRS=), or prompts.active_days and prompts.rank")
            files["pair"] = given.pairs
        elif given.pairs is not None:
            self.report.notes.append(
                "input.pairs (PAIRS=) is not read: it is for SET=prompts.kind=nightly, which has no prompts.rank"
            )
        if self.wanted.kind == "logged" and self.wanted.at is not None:
            self.report.notes.append(
                "prompts.at is not read: it is for SET=prompts.kind=nightly, and each impression has a time of its own"
            )
        if self.on_demo:
            if given.demo == "clips":
                raise RefusedInput("input.demo = clips has members and no impressions: prompts are of small or paper")
            if not self.dry_run:
                from featurize import demo

                demo.write(self.demo, given.demo, self.settings.clips.ffmpeg)
            files |= {name: str(self.demo / f"{name}.parquet") for name in files if name != "pair"}
            if paired and given.pairs is None:
                files["pair"] = self._shown_again()
        setting = {"title": "titles", "history": "history", "impression": "impressions"}
        for name, uri in files.items():
            if uri is None:
                variable = setting[name].upper()
                raise RefusedInput(
                    f"input.{setting[name]} ({variable}=) is not set, and others are: they belong together"
                )
        return {name: uri for name, uri in files.items() if uri is not None}

    def _shown_again(self) -> str:
        """A file of pairs for the demo world, which has none: what members were shown, they are shown again."""
        impressions, pairs = self.demo / "impression.parquet", self.scratch.path / "pair.parquet"
        if not impressions.exists():
            raise RefusedInput(f"{self.demo} is not there yet, and a dry run makes nothing: run without it once")
        with tables.scratch() as db:
            db.execute(sql("prompting", "shown_again").replace("$file", f"'{impressions}'"))
            pq.write_table(tables.arrow(db, "FROM shown_again"), pairs)
        return str(pairs)

    def ask(self) -> None:
        """Turn impressions or pairs into questions (table `question`) that are not committed yet, or count why not."""
        if self.wanted.kind == "logged":
            self._run("impressions", now=self.report.started_at)
        else:
            if self.wanted.active_days and self.wanted.rank:
                self._run("active", moment=self.moment, days=self.wanted.active_days, titles=list(self.wanted.rank))
                self._refuse_nobody()
            elif not tables.scalar(self.db, "SELECT count(*) FROM pair"):
                raise RefusedInput(f"input.pairs (PAIRS=): {self.settings.input.pairs} has no row: nobody to ask for")
            self._name("pair_member", "SELECT DISTINCT member_id FROM pair WHERE member_id <> '' ORDER BY member_id")
            kept.until(self.db, self.store, self.moment)
            self._run("said", moment=self.moment)
            self._leave_out_undecodable()
            self._run("pairs", moment=self.moment)
        self.accounts.titles()
        self._name("member", "SELECT DISTINCT member_id FROM asked WHERE reason IS NULL ORDER BY member_id")
        self._settle_recipe()
        if self.wanted.kind == "logged":
            kept.refuse_changed(self.db, self.store, self.recipe_key, self.recipe["member_key"] or "")
        dated = self.wanted.kind == "nightly" and self.wanted.at is None
        self._run("planned", recipe_key=self.recipe_key, dated=dated)
        self.again = self.wanted.rebuild and rebuild.look(self.db, self.store, self.recipe_key)
        committed = (
            0 if self.again else parts.leave_out_committed(self.db, self.store, self.recipe_key, self.wanted.buckets)
        )
        self._run("candidates")
        no_genre = words.pictures(self.db, self.store, self.template, self.descriptions, self.tags, self._as_of)
        unknown = self.wanted.unknown_candidate
        self._run("reasons", missing=self.wanted.missing_description, unknown=unknown, most=len(letters.LETTERS))
        self._run("questions")
        self._run("choices", drop=self.wanted.missing_description == "drop", unknown=unknown)
        strangers = words.people(self.db, self.template)
        words.where(self.db, self.template)
        if self.template.candidate.brief:
            self._run("apart")
        asked = tables.scalar(self.db, "SELECT count(*) FROM asked")
        self.new = tables.scalar(self.db, "SELECT count(*) FROM question")
        self.phase = PhaseReport(JOB, self.recipe_key, new=self.new)
        self.report.phases.append(self.phase)
        self.report.counts = {
            self.accounts.asked: asked,
            "committed before": committed,
            "new prompts": self.new,
        }
        if self.wanted.kind == "nightly":
            self.accounts.undecodable(*self.undecodable)
        self.accounts.strangers(strangers)
        self.accounts.no_genre(no_genre)
        if self.again:
            self.report.counts |= rebuild.counts(self.db)
        if self.wanted.kind == "logged":
            labels.read(self.db, self.store)
            self._run("labels")
            self.report.counts["labels changed"] = labels.changed(self.db)
            self._run("new_impressions")
            for told in kept.changed(self.db):
                self.accounts.changed(*told)

    def _leave_out_undecodable(self) -> None:
        """Find what is no candidate tonight because nobody could show it; leaves table `undecodable`."""
        for name in ("quarantine", "description"):
            self.store.register(self.db, name)
        self._run("undecodable")
        query = """SELECT count(DISTINCT artwork_id), min(artwork_id) FROM artwork_state SEMI JOIN undecodable
        USING (image_sha256) SEMI JOIN pair USING (title_id)"""
        self.undecodable = self.db.execute(query).fetchall()[0]

    def _refuse_nobody(self) -> None:
        """A history that nobody brings up to date must not look like a night without members."""
        if tables.scalar(self.db, "SELECT count(*) FROM pair"):
            return
        newest = tables.scalar(self.db, """SELECT strftime(max("at"), '%Y-%m-%d') FROM history""")
        reaches = f"its newest row is of {newest}" if newest else "it has no row with a time"
        raise RefusedInput(
            f"prompts.active_days: in input.history no member was active in the {self.wanted.active_days} days before "
            f"{self.moment:%Y-%m-%d}; {reaches}"
        )

    def account(self) -> None:
        """Count every row that came in; where too much of it is lost, the run ends here and has committed nothing.

        Leaves the history of the members asked about as table `event`. Errors: RefusedInput.
        """
        now = self.report.started_at
        self.accounts.questions()
        if self.again and not self.new:
            told = ", ".join(f"{name} {count:,}" for name, count in self.report.counts.items())
            raise RefusedInput(
                f"prompts.rebuild would leave no prompt of these days ({told}); those that are there stay"
            )
        used = 0
        if self.new:
            moment = f"TIMESTAMPTZ '{now.isoformat()}'"
            self.db.execute(sql("prompting", "found_events").replace("$now", moment))
            used = self._use_history()
            self.accounts.members(now)
            self.accounts.descriptions(self.descriptions)
        self.accounts.history(used, now)
        self.accounts.check()
        self.declare_current()
        # With nothing to ask about, which pairs are held out could not be decided.
        if not self.dry_run and self.recipe_is_new and self.new:
            phases.record_model(self.store, self.lease.fence, self.recipe, self.origin)

    def _use_history(self) -> int:
        """Make table `event`; how many rows of history it has, here or in buckets."""
        if self.dealt:
            counted = self._count_buckets()
            self.accounts.repeated([row for each in counted for row in each.repeated])
            return sum(each.used for each in counted)
        self._run("events")
        self._run("marked_events")
        parameters = {"members": self.accounts.names_members}
        if self.accounts.repeated(self.db.execute(sql("prompting", "repeated"), parameters).fetchall()):
            self._run("distinct_events")
        return int(tables.scalar(self.db, "SELECT count(*) FROM event"))

    @property
    def dealt(self) -> bool:
        """Whether histories go by bucket to workers."""
        return self.wanted.buckets > 1 and not self.dry_run

    @cached_property
    def wording(self) -> Wording:
        return Wording(
            self.wanted,
            self.template,
            self.descriptions,
            self.recipe_key,
            self.held_out_up_to,
            self.again,
            self.store,
            self.lease.fence,
            self.origin,
        )

    def _name(self, table: str, query: str) -> None:
        """Make a table of members, with the names that the store knows them by."""
        ids = tables.arrow(self.db, query)["member_id"].to_pylist()
        names = [recipe.pseudonym(self.member_key, each) for each in ids]
        words.keep(self.db, table, words.numbered(member_id=ids, member=names))

    def _settle_recipe(self) -> None:
        """Find the recipe among the recorded ones, or decide which pairs are held out."""
        self.store.register(self.db, "model")
        wanted = recipe.fingerprint(
            self.wanted,
            self.template,
            self.descriptions,
            self.tags,
            key=self.member_key,
            tokens_by=self.tokens_by,
        )
        found = recipe.recorded(self.db, wanted)
        if found is None:
            found = wanted
            if "pairs" in wanted["held_out"]:
                pairs = {"seed": self.wanted.seed, "pairs": self.wanted.held_out, "share": recipe.HELD_OUT_OF}
                found["held_out"]["up_to"] = tables.scalar(self.db, sql("prompting", "held_out"), pairs)
        self.recipe, self.recipe_is_new = found, found is wanted
        self.recipe_key = model_key(found)
        self.held_out_up_to = found["held_out"].get("up_to")
        self.report.notes.append(f"recipe {self.recipe_key}: descriptions of {self.descriptions}, tags of {self.tags}")

    def recall(self) -> None:
        """The history of each question, where the job has it itself."""
        if self.dry_run or not self.new or self.dealt:
            return
        before.log(self.db, self.wanted.kind)
        self.wording.recall(self.db)

    def write(self) -> None:
        """Commit what is new of titles, impressions and labels; then render prompts and commit them, part by part."""
        self.report.lap("read_s")
        if not self.dry_run:
            with self.report.spent.on("write_s"):
                kept.titles(self.db, self.store, self.origin, self.lease.fence)
                if self.wanted.kind == "logged":
                    key = self.recipe["member_key"] or ""
                    kept.impressions(self.db, self.store, key, self.origin, self.lease.fence)
                    labels.write(self.db, self.store, self.origin, self.lease.fence)
        if self.dry_run or not self.new:
            return
        lengths = self._word_buckets() if self.dealt else self._word()
        self.report.notes.append(template.lengths(lengths, self.tokens_by))
        if self.again:
            rebuild.finish(self.db, self.store, self.recipe_key, self.lease.fence, parts.PART)

    def _word(self) -> npt.NDArray[np.int32]:
        spent = self.phase.spent
        with Progress(JOB, self.new, "prompt") as progress:
            progress.advance(0)
            lengths = self.wording.write(self.db, datetime.now(UTC), spent, progress.advance)
            self.phase.done, self.phase.startup_s, self.phase.work_s = self.new, progress.startup_s, progress.work_s
        seconds = self.phase.work_s
        spent.model_s, spent.worker_s = max(0.0, seconds - spent.write_s), {"cpu": seconds}
        return lengths

    def _word_buckets(self) -> npt.NDArray[np.int32]:
        lengths = []
        for outcome in self._round("word"):
            self.phase.add(outcome)
            lengths.append(outcome.found)
        return np.concatenate(lengths)

    def _count_buckets(self) -> list[buckets.Counted]:
        """What workers hold of history, once it has gone by bucket. Leaves table `event` with those who have any."""
        with self.report.spent.on("write_s"):
            before.log(self.db, self.wanted.kind)
            try:
                buckets.deal(self.db, self.store, self.wanted.buckets)
            except buckets.Unread as error:
                self._refuse_broken()
                raise RunFailed(f"reading the inputs or writing temporary files: {error}") from error
        self.report.lap("read_s")
        counted = [outcome.found for outcome in self._round("count")]
        members = pa.chunked_array([each.members for each in counted])
        words.keep(self.db, "event", pa.table({"member_no": members}))
        return counted

    def _round(self, which: Literal["count", "word"]) -> Iterator[Outcome]:
        placement = Placement(cpus=self.wanted.cpus)
        self.phase.here = self.settings.run.executor == "local"
        with Progress(f"{JOB}, {which}", self.wanted.buckets, "bucket") as progress:
            crew = phases.crew(self.settings, placement)
            work = buckets.Bucket(JOB, which, placement, crew.cpus, self.wording, datetime.now(UTC))
            shards = buckets.shards(self.wanted.buckets, self.recipe_key)
            yield from phases.execute(self.settings, work, shards, crew.workers, progress.advance)
            self.phase.startup_s += progress.startup_s
            self.phase.work_s += progress.work_s

    def export(self) -> None:
        """Write the training files that prompts.export asks for."""
        if self.wanted.export is not None and not self.dry_run:
            self.store.register(self.db, "prompt", [self.recipe_key])
            self.store.register(self.db, "label")
            self.report.counts |= export.write(self.db, self.wanted.export, self.recipe_key)

    def summary(self) -> str:
        """The last lines of the run, with a command that prints three prompts; on the demo world, with the prompts."""
        example = ask(self.store, "SELECT prompt FROM prompt LIMIT 3")
        told = self.report.text(shown(self.store.uri), example, self.dry_run)
        return "\n".join([told, *self._three()]) if self.on_demo and not self.dry_run else told

    def _three(self) -> list[str]:
        """Three prompts of this recipe in full."""
        with tables.scratch() as db:
            self.store.register(db, "prompt", [self.recipe_key])
            rows = db.execute(
                "SELECT prompt_id, answer, reward, prompt FROM prompt ORDER BY asked_at DESC, prompt_id LIMIT 3"
            ).fetchall()
        heads = [
            f"prompt {key}" + ("" if answer is None else f", answer {answer}, reward {reward:g}")
            for key, answer, reward, _ in rows
        ]
        return [f"\n-- {head}\n{row[-1]}" for head, row in zip(heads, rows, strict=True)]

    def _run(self, name: str, **parameters: Any) -> None:
        self.db.execute(sql("prompting", name), parameters)

    def _refuse_broken(self) -> None:
        for name, uri in self._files().items():
            inputs.refuse_broken(name, uri)
