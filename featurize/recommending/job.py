"""The steps of the recommend job: read plays, know titles by vectors, train, judge, write.

An evaluation's id follows from the plays, the vectors and the settings. Invariant: every row of history is learnt from,
asked, or counted under a reason; nothing is committed where too much of it is lost.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.execution import phases
from featurize.featurizing import texts
from featurize.inference.torch_device import open_device
from featurize.intake import inputs
from featurize.job_run import JobRun
from featurize.recommending import features, judging, metrics, plays, table
from featurize.recommending.fits import Fits
from featurize.recommending.judging import Judged, Trial
from featurize.recommending.plays import DAY, Plays
from featurize.report import Progress, ask, shown
from featurize.storage import current, tables, views
from featurize.storage.store import part_name
from featurize.storage.tables import sql

JOB = "recommend"
VERSION = 2
"""Raised when the same plays, vectors and settings come to other figures."""
TABLES = ("recommendation_value", "item_vector", "member_vector", "model")
POPULAR = {"popular": None, "popular_7_days": 7}
FOLDS = 3
"""Of split new_titles: a third of the titles is withheld at a time, so that each seed has each title new once."""
FEW = 30
"""Members below which intervals by members say little."""
_STREAM = 4177


class Recommending(JobRun):
    """One run of the job. Errors of every method: RefusedInput, RunFailed."""

    reads_inputs = True

    def __init__(self, settings: Settings, run_id: str, dry_run: bool = False) -> None:
        super().__init__(JOB, TABLES, settings, run_id, dry_run)
        if not self.store.has_parts("run", "artwork", "clip", "text_embedding", "image_embedding"):
            raise RefusedInput(f"{self.store.uri} is no store: run `make featurize` first")
        self.wanted = settings.recommend
        open_device(self.wanted.device, None)
        self.scratch = tempfile.TemporaryDirectory(prefix="personal-artwork-recommend-")
        self.rows: list[dict[str, Any]] = []
        self.there = False

    def read(self) -> None:
        """Titles and plays as numbers; every row of history that is no play to learn from is counted."""
        self.db = views.connect(self.store)
        given = self.settings.input
        files = {"titles": given.titles, "history": given.history}
        if not any(files.values()):
            if not self.dry_run:
                from featurize import demo

                demo.write(self.demo, given.demo, self.settings.clips.ffmpeg)
            files = {"titles": str(self.demo / "title.parquet"), "history": str(self.demo / "history.parquet")}
        for name, uri in files.items():
            if uri is None:
                raise RefusedInput(f"input.{name} ({name.upper()}=) is not set, and the other is: they belong together")
        titles, history = (str(uri) for uri in files.values())
        self.models = {name: choice.model_key for name, choice in current.models(self.store).items()}
        texts.collect(self.db, titles, self.models.get("description", ""))
        self.db.execute(
            """CREATE TEMP TABLE title_number AS
            SELECT title_id, row_number() OVER (ORDER BY title_id) - 1 AS title_no FROM given_title"""
        )
        inputs.view(self.db, "history", history, scratch=self.scratch.name, time_zone=given.time_zone)
        self.plays = self._plays()
        self.report.lap("read_s")

    def _plays(self) -> Plays:
        now = self.report.started_at.isoformat()
        self.db.execute(sql("recommending", "told").replace("$now", f"TIMESTAMPTZ '{now}'"))
        plays, lost = 0, 0
        query = "SELECT reason, count(*), min(example) FROM told GROUP BY reason ORDER BY reason"
        for reason, count, example in self.db.execute(query).fetchall():
            if reason != "no play":
                plays += count
            if reason is None:
                continue
            self.report.counts[f"history rows left out: {reason}"] = count
            if reason != "no play":
                lost += count
                self.report.examples[f"history rows left out: {reason}"] = example
        most = self.settings.prompts.max_lost.history
        if lost > most * plays:
            told = "; ".join(f"{name}, such as {one}" for name, one in self.report.examples.items())
            raise RefusedInput(
                f"{lost:,} of {plays:,} plays of input.history cannot be used ({told}): mend them, or allow more with "
                f"prompts.max_lost.history (it is {most:g})"
            )
        rows = tables.arrow(self.db, sql("recommending", "plays"))
        if not rows.num_rows:
            raise RefusedInput("input.history has no play of a title of input.titles: there is nothing to learn from")
        again = tables.scalar(self.db, "SELECT count(*) FROM told WHERE reason IS NULL") - rows.num_rows
        if again:
            self.report.counts["history rows left out: duplicate"] = again
        self.members = list(dict.fromkeys(rows["member_id"].to_pylist()))
        member, title, moment = (rows[name].to_numpy() for name in ("member", "title", "moment"))
        titles = tables.scalar(self.db, "SELECT count(*) FROM title_number")
        found = Plays(member.astype(np.int64), title.astype(np.int64), moment.astype(np.int64), titles)
        self.report.counts |= {
            "titles": titles,
            "members": len(np.unique(found.member)),
            "plays": len(member),
            "first plays of a title": int(found.first.sum()),
        }
        return found

    def represent(self) -> None:
        """The vectors of each feature; one that the store has none of is left out, and told."""
        self.features = []
        for name in self.wanted.features:
            found = features.feature(self.db, name, self.plays.titles, self.models)
            if found is None:
                of = f", or input.titles has no {name}" if name in ("title", "synopsis") else ""
                self.report.notes.append(f"feature {name} is left out: the store has no vector for it{of}")
                continue
            self.features.append(found)
            without = int((~found.known).sum())
            if without:
                self.report.notes.append(
                    f"feature {name}: {without:,} of {self.plays.titles:,} titles have no vector and count as the"
                    " average title; make featurize with this TITLES= gives texts theirs"
                )
        if self.wanted.baseline not in [each.name for each in self.features]:
            raise RefusedInput(f"recommend.baseline: '{self.wanted.baseline}' is not among the features that are there")
        self.evaluation_id = self._id()
        self.there = self.store.has("recommendation_value", evaluation_id=self.evaluation_id)

    def _id(self) -> str:
        """32 hex digits of what the figures follow from."""
        unlike = {"output", "device"}
        digest = hashlib.sha256(json.dumps([VERSION, self.wanted.model_dump(mode="json", exclude=unlike)]).encode())
        for array in (self.plays.member, self.plays.title, self.plays.at):
            digest.update(array.tobytes())
        for each in self.features:
            digest.update(each.name.encode())
            if each.vectors is not None:
                digest.update(np.round(each.vectors.astype(float), 5).tobytes())
        return digest.hexdigest()[:32]

    def _splits(self) -> Iterator[tuple[str, list[Trial]]]:
        """What each split is asked of: every seed, and of new titles every third of them by every seed.

        Errors: RefusedInput where one has nothing to ask.
        """
        seeds, days = range(self.wanted.seeds), self.wanted.days
        span = (int(self.plays.at.max()) - int(self.plays.at.min())) // DAY + 1
        for name in self.wanted.splits:
            if name == "leave_one_out":
                split = plays.leave_one_out(self.plays)
                made = [Trial(seed, split) for seed in seeds]
            elif span <= 2 * days:
                raise RefusedInput(
                    f"recommend.days: the plays are of {span:,} days, and twice {days} are not for training; set fewer"
                )
            elif name == "rolling_days":
                split = plays.rolling_days(self.plays, days)
                made = [Trial(seed, split) for seed in seeds]
            else:
                made = [
                    Trial(seed, plays.new_titles(self.plays, days, new)) for seed in seeds for new in self._thirds(seed)
                ]
            if not all(len(each.test) and len(each.valid) and len(each.learn.title) for _, each in made):
                few = f"{len(self.members):,} members, {self.plays.titles:,} titles and {len(self.plays.at):,} plays"
                raise RefusedInput(f"recommend.splits: {name} leaves nothing to learn from, or to ask, of {few}")
            yield name, made

    def _thirds(self, seed: int) -> Iterator[NDArray[np.bool_]]:
        """(titles,) which are new, each title once; every seed deals them out anew."""
        titles = self.plays.titles
        fold = np.empty(titles, np.int64)
        fold[np.random.default_rng([_STREAM, titles, seed]).permutation(titles)] = np.arange(titles) % FOLDS
        yield from (fold == each for each in range(FOLDS))

    def learn(self) -> None:
        """Train every recommender, and rank; leaves `judged` by split."""
        self.judged: dict[str, tuple[list[Trial], list[Judged]]] = {}
        if self.there:
            return
        splits = dict(self._splits())
        tasks = [
            (name, feature, model, trial)
            for name, trials in splits.items()
            for feature in self.features
            for model in self.wanted.models
            for trial in trials
        ]
        self.report.counts["trainings"] = len(tasks)
        if self.dry_run:
            return
        self.fits = Fits(self.wanted)
        ranks: dict[int, Any] = {}
        with Progress("train", len(tasks), "training") as progress:
            progress.advance(0)
            given = [(model, trial.split, feature, trial.seed) for _, feature, model, trial in tasks]
            for place, found in self.fits.each(given):
                ranks[place] = found
                progress.advance(1)
        for name, trials in splits.items():
            judged = [self._popular(model, days, trials) for model, days in POPULAR.items()]
            for feature in self.features:
                for model in self.wanted.models:
                    mine = [
                        ranks[p]
                        for p, task in enumerate(tasks)
                        if task[0] == name and task[1] is feature and task[2] == model
                    ]
                    judged.append(Judged(feature.name, model, int((~feature.known).sum()), mine))
            self.judged[name] = (trials, judged)
        self.report.lap("model_s")

    def _popular(self, model: str, days: int | None, trials: list[Trial]) -> Judged:
        ranks = [metrics.ranks(metrics.popularity(s.test, s.plays, days), s.test, s.plays) for _, s in trials]
        return Judged("none", model, 0, ranks)

    def judge(self) -> None:
        """Means and intervals."""
        for name, (trials, found) in self.judged.items():
            self.rows += judging.rows(name, trials, found, self.wanted.baseline, self.wanted.draws)
            members, ranked = self.rows[-1]["members"], self.rows[-1]["titles"]
            if members < FEW:
                told = f"{members} members were asked, and intervals are by members: of so few they promise too much"
                self.report.notes.append(f"{name}: {told}")
            if ranked <= metrics.TOP:
                self.report.notes.append(f"{name}: all of {ranked} titles are among the first ten: HR@10 says nothing")

    def write(self) -> None:
        """Commit the rows, unless the same evaluation is there; then the checkpoints go."""
        if self.there:
            query = "FROM recommendation_value WHERE evaluation_id = $id"
            self.rows = tables.arrow(self.db, query, {"id": self.evaluation_id}).to_pylist()
            self.report.notes.append(
                f"evaluation {self.evaluation_id} was there already: same plays, vectors, settings"
            )
        if self.dry_run or self.there:
            return
        columns = {name: [row[name] for row in self.rows] for name in self.rows[0]}
        more: dict[str, Any] = {
            "evaluation_id": [self.evaluation_id] * len(self.rows),
            **self.origin.columns(len(self.rows)),
            "computed_at": [datetime.now(UTC)] * len(self.rows),
        }
        rows = tables.rows("recommendation_value", columns | more)
        self.store.commit("recommendation_value", "", self.evaluation_id, rows, self.lease.fence.check)
        self._serve()
        self.fits.remove()
        self.report.lap("write_s")

    def _serve(self) -> None:
        """Vectors of titles, artworks and members by the recommenders of features `recommend.vectors`."""
        feature = next((each for each in self.features if each.name == self.wanted.vectors), None)
        if feature is None or "rolling_days" not in self.judged:
            if self.wanted.vectors is not None:
                self.report.notes.append(
                    f"no vectors to serve: features {self.wanted.vectors} were not judged on rolling_days"
                )
            return
        from featurize.recommending import serving

        ((seed, split), *_), _ = self.judged["rolling_days"]
        ids = self.db.execute("SELECT title_id FROM title_number ORDER BY title_no").fetchall()
        artworks, known = feature.of_artworks(self.db, self.plays.titles, self.models)
        for model in self.wanted.models:
            training = self.fits.training(model, split, feature, seed)
            fingerprint = {
                "backend": "recommender",
                "version": 1,
                "model": model,
                "features": feature.name,
                "training": self.fits.key(model, split, feature, seed),
                "artworks": hashlib.sha256(b"" if known is None else known.tobytes()).hexdigest(),
            }
            key = phases.record_model(self.store, self.lease.fence, fingerprint, self.origin)
            rows = serving.items(training, [each for (each,) in ids], artworks, known, key, self.origin)
            self.store.commit("item_vector", key, key, rows, self.lease.fence.check)
            rows = serving.members(training, self.plays, self.members, key, self.origin)
            self.store.commit("member_vector", key, part_name([key, self.evaluation_id]), rows, self.lease.fence.check)

    def summary(self) -> str:
        """The last lines of the run: what was read, and the figures."""
        question = "FROM latest_recommendation_value"
        if self.there:  # which need not be the newest
            question = f"FROM recommendation_value WHERE evaluation_id = '{self.evaluation_id}'"
        told = self.report.text(shown(self.store.uri), ask(self.store, question), self.dry_run)
        return f"{told}\n\n{table.text(self.rows)}" if self.rows else told

    def close(self) -> None:
        if hasattr(self, "db"):
            self.db.close()
        self.scratch.cleanup()
