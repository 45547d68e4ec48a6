"""What an LLM answers before it has read anything: the prior over letters, to be taken off (PriDe, arXiv 2309.03882).

A few prompts are asked in as many orders as they have candidates, so that each stands under each letter once; what is
left in the mean log-probability of a letter is the letter's own. Invariant: it is estimated once for a model and a
template and then recorded with the model key that it makes; every later run takes that.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import duckdb
import numpy as np

from featurize.errors import BadImage, RunFailed
from featurize.execution.plan import Shard
from featurize.execution.run import Advance, Outcome
from featurize.execution.watch import Watch, here
from featurize.inference.exploration import softmax
from featurize.inference.letters import LETTERS
from featurize.inference.ranker import Prior, Ranked, Ranker, RankerSettings
from featurize.ranking.phase import Phase, read
from featurize.storage.store import Store
from featurize.storage.tables import Origin

SHARE = 0.05
"""Of the prompts, how many it is estimated on."""
AT_LEAST = 20
"""The same for each number of candidates, where there are so many."""
ALL_ORDERS = len(LETTERS)
_DIGITS = 6
"""Sums of floats hang on the order in which workers hand them over; beyond these digits nobody looks."""


@dataclass(frozen=True)
class Estimate:
    """The `Work` that estimates it: the prompts of a shard in all orders. Commits nothing."""

    phase: Phase
    unit: ClassVar[str] = "prompt"

    @property
    def name(self) -> str:
        return self.phase.name

    @property
    def settings(self) -> RankerSettings:
        return self.phase.settings

    @property
    def cpus(self) -> int:
        return self.phase.cpus

    @property
    def store(self) -> Store:
        return self.phase.store

    @property
    def origin(self) -> Origin:
        return self.phase.origin

    def load(self) -> Ranker:
        return self.phase.load()

    def run(self, shard: Shard, ranker: Ranker, advance: Advance) -> Outcome:
        """`Outcome.found` has, by number of candidates, the sum of the letters' log-probabilities, and of how many."""
        sums: dict[int, Any] = {}
        done: Counter[int] = Counter()
        failed: Counter[str] = Counter()
        watch = Watch()
        with watch.on("read_s"):
            asked = read(self.phase.store, shard.items)
        for _, said in watch.model(ranker.rank(asked)):
            advance(1)
            if isinstance(said, Ranked) and said.by_letter is not None:
                count = len(said.by_letter)
                sums[count] = sums.get(count, 0) + np.asarray(said.by_letter)
                done[count] += 1
            elif isinstance(said, BadImage):
                failed[said.reason] += 1
        found = {count: (total.tolist(), done[count]) for count, total in sums.items()}
        return Outcome(shard, done.total(), failed, spent=watch.stop(0), worker=here(), found=found)

    def committed(self, shard: Shard) -> tuple[Outcome, Shard]:
        return Outcome(shard), shard

    def blame(self, shard: Shard, error: BadImage) -> Outcome:
        raise RunFailed(f"prompt {shard.items[0].key}, on which the letters' prior is estimated: {error.detail}")


def of(template_key: str, found: Iterable[Mapping[int, tuple[list[float], int]]]) -> Prior:
    """The prior from what the workers found. Errors: RunFailed where they found nothing."""
    sums: dict[int, Any] = {}
    done: dict[int, int] = defaultdict(int)
    for each in found:
        for count, (total, number) in each.items():
            sums[count] = sums.get(count, 0) + np.asarray(total)
            done[count] += number
    if not sums:
        raise RunFailed("rank.prior: the model answers none of the prompts on which the letters' prior is estimated")
    by_count = {
        count: [round(float(sure), _DIGITS) for sure in np.log(softmax(total / done[count]))]
        for count, total in sorted(sums.items())
    }
    return Prior(template_key, by_count)


def recorded(
    db: duckdb.DuckDBPyConnection, wanted: Mapping[str, Any], template_key: str, counts: set[int]
) -> Prior | None:
    """The first one in view `model`, of a ranker like `wanted` and this template, with these numbers of candidates."""
    query = "SELECT fingerprint FROM model WHERE backend = $1 ORDER BY computed_at, model_key"
    for (text,) in db.execute(query, [wanted["backend"]]).fetchall():
        found = json.loads(text)
        said = found["ranker"].get("prior")
        found["ranker"]["prior"] = None
        if said and found == wanted and said["template"] == template_key:
            by_count = {int(count): each for count, each in said["by_count"].items()}
            if counts <= by_count.keys():
                return Prior(template_key, by_count)
    return None
