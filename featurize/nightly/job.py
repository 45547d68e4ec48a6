"""The night of one date: featurize, prompts, rank, choices and evaluate as one run, with one lease and one record.

Each part asks the committed rows what is missing, so a night that was missed is caught up by the next one, and the same
date again does nothing. Choices are of the date they are made for, whenever the run takes place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

from featurize.config import Settings
from featurize.errors import NothingYet, RefusedInput
from featurize.evaluating.job import JOB as EVALUATE
from featurize.evaluating.job import refuse_unwritable
from featurize.featurizing.job import JOB as FEATURIZE
from featurize.job_run import JobRun
from featurize.prompting.job import JOB as PROMPTS
from featurize.ranking.job import JOB as RANK
from featurize.report import Report, ask, wrapped

JOB = "nightly"


class Part(Protocol):
    """A job as the night knows it."""

    report: Report

    def __enter__(self) -> object: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def summary(self) -> str: ...


Job = TypeVar("Job", bound=Part)
JobClass = Callable[[Settings, str, bool, JobRun], Job]


class Night(JobRun):
    """One run of the job. It holds the leases of its parts too: no run of one of these goes beside it.

    Errors: RefusedInput where what members did is not given, or the date has not begun.
    """

    reads_inputs = True

    def __init__(self, settings: Settings, run_id: str, dry_run: bool = False) -> None:
        super().__init__(JOB, [], settings, run_id, dry_run, also=(FEATURIZE, PROMPTS, RANK, EVALUATE))
        now = datetime.now(UTC)
        self.date = settings.nightly.date or now.date()
        if self.date > now.date():
            raise RefusedInput(f"nightly.date (DATE=): {self.date} has not begun; it is {now:%Y-%m-%d %H:%M} UTC")
        end = datetime.combine(self.date, time(), UTC) + timedelta(days=1) - timedelta(microseconds=1)
        self.moment = min(now, end)
        if settings.prompts.at is not None:
            raise RefusedInput("prompts.at: a night is for a date, nightly.date (DATE=); leave prompts.at out")
        refuse_unwritable(settings.evaluate.plot)
        self.logs_impressions = self._look_at_inputs()

    def _look_at_inputs(self) -> bool:
        """Whether there are impressions to learn from and to judge by. Errors: RefusedInput."""
        given = self.settings.input
        on_demo = self.on_demo
        if not on_demo or given.artwork is not None:
            lacking = [f"input.{name} ({name.upper()}=)" for name in ("titles", "history") if not getattr(given, name)]
            if lacking:
                verb = "are" if len(lacking) > 1 else "is"
                raise RefusedInput(
                    f"{' and '.join(lacking)} {verb} not set: a night is of members too; "
                    "for the artwork alone there is `make featurize`"
                )
        return on_demo or given.impressions is not None

    def do(
        self,
        name: str,
        job: JobClass[Job],
        steps: Callable[[Job], None],
        *,
        kind: Literal["logged", "nightly"] = "logged",
        needs: str | None = None,
        judged: Sequence[str] = (),
    ) -> Job | None:
        """The steps of a job as a part of the night, about prompts of this kind; at its end it tells what it did.

        It is left out, with a note and None, where table `needs` is empty, or has nothing for this job yet. `judged`
        are the rankers to compare, unless the settings name some: those of other nights are many after a while.
        Errors: as those of the job.
        """
        if needs is not None and not self.store.parts(needs):
            self.report.notes.append(f"{name} was left out: table {needs} is empty")
            return None
        if self.deadline.passed:
            self.report.leave(f"{name} was left for the next run, for {self.deadline} has passed")
            return None
        settings = self.settings
        prompts = settings.prompts.model_copy(update={"kind": kind})
        given = settings.input.model_copy(update={} if kind == "nightly" else {"pairs": None})
        evaluate = settings.evaluate
        if not evaluate.models:
            evaluate = evaluate.model_copy(update={"models": tuple(judged)})
        asked = settings.model_copy(update={"prompts": prompts, "input": given, "evaluate": evaluate})
        part = job(asked, self.origin.run_id, self.dry_run, self)
        self.report.parts[name] = part.report
        try:
            with part:
                steps(part)
        except NothingYet as reason:  # such as prompts that are held out from a day on which has not come
            del self.report.parts[name]
            self.report.notes.append(f"{name} was left out: {reason}")
            return None
        print(f"\n{name}: {part.summary()}\n", flush=True)
        return part

    def __enter__(self) -> Self:
        super().__enter__()
        print(f"night of {self.date}, run {self.origin.run_id}", flush=True)
        return self

    def summary(self) -> str:
        """The last lines of the night."""
        lines = [f"night of {self.date} took {self.report.seconds:.1f} s"]
        last = "SELECT started_at, job, night, outcome, message FROM runs ORDER BY started_at DESC LIMIT 7"
        lines.append(ask(self.store, last))
        return "\n".join([*lines, *(wrapped(f"note: {note}") for note in self.report.notes)])
