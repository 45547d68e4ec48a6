"""One ranker on its prompts: what the executors need to know to run a shard of them.

A shard names prompts and the parts they lie in; the worker reads them there. Its rows of `ranking` are one part, and a
prompt that cannot be ranked is a row of `quarantine`, whose uri is `prompt:<prompt_id>`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurize.errors import BadImage, RunFailed
from featurize.execution.plan import Item, Shard
from featurize.execution.run import Advance, Outcome, hold_threads, hopeless, refuse_other
from featurize.execution.watch import Watch, here
from featurize.inference.exploration import Explore
from featurize.inference.ranker import PROMPT_COLUMNS, Given, Prompt, Ranked, Ranker, RankerSettings, prompts
from featurize.intake.catalogue import quarantine_rows
from featurize.rankers import load_ranker
from featurize.ranking.scores import columns
from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store
from featurize.storage.tables import Origin

TABLE = "ranking"


def fingerprint(ranker: str, settings: RankerSettings, given: Given, explore: Explore) -> dict[str, Any]:
    """Of a ranker as a policy: what it is, and how it explores. Errors: RefusedInput."""
    own: dict[str, Any] = load_ranker(ranker).Ranker.fingerprint(settings, given)
    found: dict[str, Any] = {"backend": ranker, "table": TABLE, "ranker": own}
    if ranker == "random":
        found["seed"] = given.seed
    if explore.kind != "none":
        found["explore"] = {explore.kind: explore.amount}
    return found


@dataclass(frozen=True)
class Phase:
    """The `Work` of one ranker. Picklable, but for the data of a ranker that fits on some."""

    unit: ClassVar[str] = "prompt"

    name: str
    ranker: str
    settings: RankerSettings
    given: Given
    explore: Explore
    model_key: str
    cpus: int
    max_failed: float
    store: Store
    fence: Fence
    origin: Origin

    def load(self) -> Ranker:
        """The loaded ranker. Errors: RefusedInput, RunFailed."""
        hold_threads(self.cpus)
        ranker: Ranker = load_ranker(self.ranker).Ranker(self.settings, self.given)
        if self.given.data is None:
            found = fingerprint(self.ranker, self.settings, self.given, self.explore)
            refuse_other(ranker, found, self.model_key, self.name)
        return ranker

    def run(self, shard: Shard, ranker: Ranker, advance: Advance) -> Outcome:
        """Rank and commit. The quarantine part goes first, so that the other says that the shard is finished.

        Errors: RunFailed when most of it fails, or the ranker breaks its contract.
        """
        watch, before = Watch(), self.store.written
        with watch.on("read_s"):
            asked = read(self.store, shard.items)
        done: dict[int, Ranked] = {}
        failed: dict[int, BadImage] = {}
        for place, said in watch.model(ranker.rank(asked)):
            if isinstance(said, BadImage):
                failed[place] = said
            else:
                done[place] = said
            advance(1)
        if done.keys() | failed.keys() != set(range(len(asked))):
            raise RunFailed(f"ranker '{self.ranker}' left prompts of its batch without an answer")
        reasons = Counter[str](error.reason for error in failed.values())
        example = next((f"prompt {asked[place].prompt_id}: {error.detail}" for place, error in failed.items()), "")
        hopeless(reasons, len(done), self, self.max_failed, example)
        with watch.on("write_s"):
            self._quarantine(shard, failed)
            if done:
                self._commit(shard, columns([(asked[place], done[place]) for place in sorted(done)], self.explore))
        return Outcome(shard, len(done), reasons, spent=watch.stop(self.store.written - before), worker=here())

    def _commit(self, shard: Shard, said_of: Mapping[str, Any]) -> None:
        count = len(said_of["prompt_id"])
        rows = tables.rows(
            TABLE,
            {
                **said_of,
                "model_key": [self.model_key] * count,
                **self.origin.columns(count),
                "computed_at": [datetime.now(UTC)] * count,
            },
        )
        self.store.commit(TABLE, self.model_key, shard.id, rows, self.fence.check)

    def committed(self, shard: Shard) -> tuple[Outcome, Shard]:
        """What is committed of a shard, by a worker that may not have lived to report it, and what is left to do."""
        done = set(self._column(TABLE, shard, "prompt_id"))
        failed = {uri.removeprefix("prompt:") for uri in self._column("quarantine", shard, "uri")}
        reasons = Counter[str](self._column("quarantine", shard, "reason"))
        return Outcome(shard, len(done), reasons), shard.without(done | failed)

    def blame(self, shard: Shard, error: BadImage) -> Outcome:
        """Quarantine every prompt of a shard that no worker survives."""
        self._quarantine(shard, dict.fromkeys(range(len(shard.items)), error))
        return Outcome(shard, quarantined=Counter({error.reason: len(shard.items)}))

    def _column(self, table: str, shard: Shard, name: str) -> list[str]:
        data = self.store.part(table, self.model_key, shard.id)
        return [] if data is None else pq.read_table(pa.BufferReader(data), columns=[name])[name].to_pylist()

    def _quarantine(self, shard: Shard, failed: dict[int, BadImage]) -> None:
        if not failed:
            return
        found = [
            ("", f"prompt:{shard.items[place].key}", "model", error, shard.items[place].attempts + 1)
            for place, error in sorted(failed.items())
        ]
        rows = quarantine_rows(found, self.model_key, self.origin)
        self.store.commit("quarantine", self.model_key, shard.id, rows, self.fence.check)


def read(store: Store, items: Sequence[Item]) -> list[Prompt]:
    """The prompts of a shard, in its order. Errors: RunFailed when one is not where the plan saw it."""
    wanted: list[str] = [item.key for item in items]
    found: dict[str, Prompt] = {}
    for part in dict.fromkeys(item.source for item in items):
        rows = _part(store.uri, part)
        rows = rows.filter(pc.is_in(rows["prompt_id"], pa.array(wanted)))
        found |= {prompt.prompt_id: prompt for prompt in prompts(rows.to_pylist())}
    lost = [key for key in wanted if key not in found]
    if lost:
        raise RunFailed(
            f"prompt {lost[0]} is no longer where the run was planned: prompts were made again; run it again"
        )
    return [found[key] for key in wanted]


@lru_cache(maxsize=1)
def _part(uri: str, part: str) -> pa.Table:
    """Of one part of table `prompt`, which has the prompts of many shards, what rankers see."""
    return Store(uri).of_parts("prompt", [part]).to_table(columns=list(PROMPT_COLUMNS))
