"""The steps of the evaluate job: read the rounds and rankings, doubt them, estimate, write and draw.

An evaluation's id follows from what it was made of, so the same again writes nothing new. Nothing is committed where
the log cannot be trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from featurize.config import Settings
from featurize.demo import truth
from featurize.errors import NothingYet, RefusedInput, RunFailed, did_you_mean
from featurize.evaluating import doubts, rewards, rounds, table
from featurize.evaluating.compare import FEWEST_ROUNDS, Comparison, Wanted
from featurize.evaluating.slices import slices
from featurize.intake import whose
from featurize.job_run import JobRun
from featurize.ranking.data import open_data
from featurize.report import ask, shown
from featurize.storage import current, tables, views

JOB = "evaluate"
VERSION = 1
"""Raised when the same prompts, rankings and settings come to other figures."""


def refuse_unwritable(plot: str | None) -> None:
    """Before anything is computed. Errors: RefusedInput where the file of the plot cannot be written."""
    if plot is None:
        return
    path = Path(plot)
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if path.is_dir() or not os.access(there, os.W_OK) or (there != path and not there.is_dir()):
        raise RefusedInput(f"evaluate.plot: {path} cannot be written; name another file, or null for none")


class Evaluating(JobRun):
    """One run of the job. Errors of every method: RefusedInput, RunFailed."""

    def __init__(self, settings: Settings, run_id: str, dry_run: bool = False, night: JobRun | None = None) -> None:
        super().__init__(JOB, ["policy_value"], settings, run_id, dry_run, night)
        if not self.store.has_parts("prompt"):
            raise RefusedInput(f"{self.store.uri} has no prompts: run `make prompts` first")
        self.wanted = settings.evaluate
        if not dry_run:
            refuse_unwritable(self.wanted.plot)
        self.rows: list[dict[str, Any]] = []
        self.scratch = tempfile.TemporaryDirectory(prefix="personal-artwork-evaluate-")

    def read(self) -> None:
        """The rounds and what each policy does in them; every prompt that a policy lacks is counted."""
        self.db = self._open()
        self.log = rounds.read(self.db, self.store.uri)
        self.policies = rounds.policies(self.db, self.log, self.wanted.models, self.store.uri)
        names = [policy.name for policy in self.policies]
        if self.wanted.baseline not in names:
            raise RefusedInput(
                f"evaluate.baseline: there is no policy '{self.wanted.baseline}' here, but {', '.join(names)}"
                f"{did_you_mean(self.wanted.baseline, names)}"
            )
        self.report.counts = {
            "held-out prompts": len(self.log),
            "members": len(np.unique(self.log.member)),
            "policies": len(self.policies),
        }
        for policy in self.policies:
            for reason, count in policy.left_out.items():
                self.report.notes.append(f"{policy.name}: {count:,} of {len(self.log):,} prompts left out: {reason}")
        baseline = next(policy for policy in self.policies if policy.name == self.wanted.baseline)
        if none := [policy.name for policy in self.policies if not (policy.rows & baseline.rows).any()]:
            self.report.notes.append(f"without a prompt to judge them on, and left out: {', '.join(none)}")
            self.policies = [policy for policy in self.policies if policy.name not in none]
        self.report.lap("read_s")

    def _open(self) -> duckdb.DuckDBPyConnection:
        """The views of the store, and `history`: empty where nothing says where it is, or members have other names."""
        recipe = current.models(self.store, features=["logged_prompt"]).get("logged_prompt")
        if recipe is None:
            raise NothingYet(f"{self.store.uri} has no prompts of impressions: run `make prompts` first")
        settings = self.settings
        if settings.prompts.member_key_env is None and self._hashed(recipe.model_key):
            db = views.connect(self.store)
            tables.make(db, "history")
            return db
        return open_data(self.store, settings, recipe.model_key, Path(self.scratch.name))

    def _hashed(self, recipe: str) -> bool:
        """Whether the prompts of a recipe name members by keyed hashes."""
        with tables.scratch() as db:
            self.store.register(db, "model")
            query = "SELECT fingerprint->>'member_key' FROM model WHERE model_key = $1"
            return any(key for (key,) in db.execute(query, [recipe]).fetchall())

    def doubt(self) -> None:
        """Say what makes the figures doubtful. Errors: RefusedInput where it makes all of them worthless."""
        doubt = doubts.of_log(self.log)
        if doubt and self.wanted.doubtful == "refuse":
            raise RefusedInput(f"{doubt}; evaluate.doubtful=warn goes on all the same")
        if doubt:
            self.report.notes.append(f"WORTHLESS: {doubt}")
        possible = doubts.possible(self.log, self._ever_shown())
        self.doubts = {
            policy.name: doubts.of_policy(self.log, policy, possible, self.wanted.min_effective)
            for policy in self.policies
        }
        for name, words in self.doubts.items():
            self.report.notes += [f"{name}: {each}" for each in words]
        if doubt:
            self.doubts = {name: [doubt, *words] for name, words in self.doubts.items()}
        self.report.notes += doubts.of_comparison(self.log, self.policies)

    def _ever_shown(self) -> np.ndarray:
        """(n, K) whether any logged prompt of the store showed that candidate."""
        query = "SELECT DISTINCT artwork_ids[shown_place] AS artwork_id FROM logged"
        known = tables.arrow(self.db, query)["artwork_id"]
        lists = self.log.table["artwork_ids"].combine_chunks()
        found = np.zeros(self.log.real.shape, bool)
        found[self.log.real] = pa.compute.is_in(lists.flatten(), known).to_numpy(zero_copy_only=False)
        return found

    def estimate(self) -> None:
        """Every policy by every estimator, with intervals; in the demo world beside the truth."""
        seed = self.wanted.seed
        expected = rewards.expected(self.db, self.log, seed)
        wanted = Wanted(self.wanted.estimator, self.wanted.baseline, self.wanted.clip, self.wanted.draws, seed)
        cut, true = slices(self.log), self._truth()
        self.rows = Comparison(self.log, self.policies, expected, wanted).rows(cut, true)
        self.evaluation_id = self._id(expected, *(each.rows for each in cut), *([] if true is None else [true]))
        few = sum(int(each.rows.sum()) < FEWEST_ROUNDS for each in cut)
        if few:
            self.report.notes.append(f"{few} parts of slices have fewer than {FEWEST_ROUNDS} prompts and are not told")
        self.report.lap("model_s")

    def _truth(self) -> np.ndarray | None:
        world = whose.only_demo(self.store, self.settings.input)
        return truth.rewards(world, self.log.table) if world and self.log.told.all() else None

    def write(self) -> None:
        """Commit the rows, unless the same evaluation is there; draw the plot."""
        if self.dry_run:
            return
        number = self.evaluation_id
        columns = {name: [row[name] for row in self.rows] for name in self.rows[0]}
        more: dict[str, Any] = {
            "evaluation_id": [number] * len(self.rows),
            "recipe_key": [self.log.table["recipe_key"][0].as_py()] * len(self.rows),
            "warnings": [self.doubts[row["policy"]] for row in self.rows],
            **self.origin.columns(len(self.rows)),
            "computed_at": [datetime.now(UTC)] * len(self.rows),
        }
        rows = tables.rows("policy_value", columns | more)
        there = self.store.has("policy_value", evaluation_id=number)
        if there or not self.store.commit("policy_value", "", number, rows, self.lease.fence.check):
            self.report.notes.append(f"evaluation {number} was there already: same prompts, rankings and settings")
        if self.wanted.plot is not None:
            self._draw(Path(self.wanted.plot))
        self.report.lap("write_s")

    def _draw(self, path: Path) -> None:
        made = table.plot(self.rows, self.wanted.estimator)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made)
        except OSError as error:
            raise RunFailed(f"evaluate.plot: {path} cannot be written: {error}") from error
        self.report.notes.append(f"plot: {shown(str(path.absolute()))}")

    def _id(self, *read: np.ndarray) -> str:
        """32 hex digits of what the figures follow from; `read` are the arrays beside those of log and policies."""
        settings = self.wanted.model_dump(mode="json", exclude={"plot"})
        names = [(policy.name, policy.model_key) for policy in self.policies]
        texts = [VERSION, settings, names, self.log.table["prompt_id"].to_pylist(), [each.shape for each in read]]
        digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
        of_log = (self.log.reward, self.log.propensity, self.log.shown)
        for each in (*of_log, *(policy.probability for policy in self.policies), *read):
            digest.update(np.round(each.astype(float), 9).tobytes())  # sums of the same may differ in their last digit
        return digest.hexdigest()[:32]

    def summary(self) -> str:
        """The last lines of the run: what was read, what to doubt, and the figures."""
        question = "FROM latest_policy_value WHERE slice = 'all'"
        told = self.report.text(shown(self.store.uri), ask(self.store, question), self.dry_run)
        return f"{told}\n\n{table.text(self.rows, self.wanted.estimator)}"

    def close(self) -> None:
        if hasattr(self, "db"):
            self.db.close()
        self.scratch.cleanup()
