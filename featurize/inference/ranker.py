"""The contract of a ranker: what it is given, what it gives back, and the key that identifies it.

A ranker is a file in `featurize/rankers`, found by its name: `rank.rankers` lists the names. It exports `Settings` (a
subclass of `RankerSettings`, or that itself; to be set as `rank.<name>.…` it gets a line in `Rank` of config.py) and
`Ranker`, as below. Importing the file is cheap: torch and other heavy things are imported in `Ranker.__init__`.

    class Ranker:
        per_model = False
        needs = ""
        def __init__(self, settings, given): ...          # loads, or fits on given.data; once per run and process
        @staticmethod
        def fingerprint(settings, given): return {"version": 1, **given.data.digest("training")}
        def rank(self, prompts):
            for place, prompt in enumerate(prompts):
                yield place, Ranked([...one score per artwork of prompt.artwork_ids, in that order...])
        def close(self): pass

The job adds the name, `rank.explore` and the seed to the fingerprint and makes the model key of it, leaves out prompts
that this key has ranked already, and turns what comes back into rows of `ranking`: ranks, probabilities, propensities.

A ranker that fits on data does so in `__init__`, deterministically, from `given.data`, and names in its fingerprint by
`given.data.digest(...)` every view that it reads. It runs in the job's own process. Invariant: `Prompt` has nothing
that came of showing an artwork, so no ranker can look at what it is judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol

import duckdb

from featurize.errors import BadImage
from featurize.inference.extractor import Placement
from featurize.storage import tables


class RankerSettings(Placement):
    """What every ranker understands; one that has settings of its own subclasses this as `Settings`."""

    @property
    def letters(self) -> int:
        """Of how many candidates the ranker reads the letters in an LLM's answer. 0: it asks no LLM.

        One that does gets `Given.orders` and `Given.prior`, and runs by the executor of `run.executor`, where these
        settings place it. Others run in the job's process.
        """
        return 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question to rank the candidates of: columns of table `prompt`, less the outcome. Lists are by candidate."""

    prompt_id: str
    kind: str
    member_id: str
    title_id: str
    asked_at: datetime
    artwork_ids: list[str]
    same_as: list[int] | None
    messages: list[dict[str, str]]
    slots: dict[str, list[int]] | None
    answer: str | None
    propensity: float | None
    propensities: list[float] | None
    device: str | None
    country: str | None
    language: str | None
    time_zone: str | None


PROMPT_COLUMNS = tuple(field.name for field in fields(Prompt))


@dataclass(frozen=True)
class Ranked:
    """What a ranker says of one prompt, each list in the order of its `artwork_ids`.

    `scores` order the candidates, more is better; equal ones are ordered by a hash. `probabilities` (1 in sum) say how
    likely each is the best: None stands for softmax of the scores. `propensities` (1 in sum) are of a policy that draws
    by itself, such as one that chooses at random: None leaves it to `rank.explore`, by default the best one always.
    `letter_share` is of an LLM: how much of all probability its letters have.
    `by_letter` is of an LLM, too: the mean log-probability of each letter, before any prior is taken off it.
    """

    scores: Sequence[float]
    probabilities: Sequence[float] | None = None
    propensities: Sequence[float] | None = None
    letter_share: float | None = None
    by_letter: Sequence[float] | None = None


class Data:
    """What rankers that learn from the store read: a private DuckDB with these views, all of the current recipe.

    training: prompt_id, member_id, title_id, asked_at, artwork_ids, same_as, artwork_id (the one shown), reward (the
        newest label), propensity, propensities, device, country, language, time_zone; logged prompts of split train
    embedding: artwork_id, embedding FLOAT[n], unit-norm, of the current model
    tag: artwork_id, attribute, label, probability, of the current model
    history: member_id, title_id, event, at, minutes: HISTORY=, or of the demo world; without either, no rows. Use what
        is from before `asked_at` alone
    and every table and view of the store's catalog (featurize/storage/views.py), such as `artwork_present` and `title`.

    Views `training` and `history` may be large: aggregate in SQL. Sort by ids before anything that depends on order.
    """

    def __init__(self, open_db: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._open = open_db
        self._digests: dict[str, str] = {}

    @cached_property
    def db(self) -> duckdb.DuckDBPyConnection:
        """Opened when it is first asked for. Errors: RefusedInput where there are no logged prompts."""
        return self._open()

    def digest(self, *views: str) -> dict[str, str]:
        """By view, a digest of its rows that does not depend on their order, for the fingerprint."""
        for view in views:
            if view not in self._digests:  # several rankers name the large ones, and each more than once
                self._digests[view] = self._digest(view)
        return {view: self._digests[view] for view in views}

    def _digest(self, view: str) -> str:
        columns = ", ".join(f'"{name}"' for name, *_ in self.db.execute(f"DESCRIBE {view}").fetchall())
        row = f"md5_number_lower(to_json({{'row': ({columns})}})::VARCHAR)"
        query = f"SELECT count(*) || ':' || coalesce(bit_xor({row}), 0) || ':' || coalesce(sum({row}), 0) FROM {view}"
        return str(tables.scalar(self.db, query))


@dataclass(frozen=True)
class Prior:
    """By number of candidates, the log-probability of each letter before anything is known, in words of a template."""

    template_key: str
    by_count: Mapping[int, Sequence[float]]

    @property
    def identity(self) -> dict[str, Any]:
        """What goes into a fingerprint."""
        by_count = {str(count): list(each) for count, each in sorted(self.by_count.items())}
        return {"template": self.template_key, "by_count": by_count}


@dataclass(frozen=True)
class Given:
    """What the job gives a ranker beside its settings. Picklable, but for `data`, which only fitted rankers read."""

    model: str | None = None
    """Of a ranker that is `per_model`: a folder, `bundled:<name>` or `owner/name@revision`."""
    orders: int = 1
    """In how many orders of its candidates a prompt is asked (`rank.orders`)."""
    prior: Prior | None = None
    """What to take off the letters (`rank.prior`)."""
    seed: int = 0
    cpus: int | None = None
    data: Data | None = None


class Ranker(Protocol):
    """One loaded or fitted ranker. `fingerprint` covers all that changes the numbers and nothing that does not."""

    per_model: ClassVar[bool]
    """Whether it is run once for each of `rank.models`. Others run once."""
    needs: ClassVar[str]
    """SQL condition on table `prompt`: what it can rank; the rest is left out and counted. Empty: everything."""

    def __init__(self, settings: Any, given: Given) -> None: ...

    @staticmethod
    def fingerprint(settings: Any, given: Given) -> dict[str, Any]:
        """JSON-able identity. Errors: RefusedInput when weights or data are missing."""

    def rank(self, prompts: Sequence[Prompt]) -> Iterable[tuple[int, Ranked | BadImage]]:
        """(place in `prompts`, what it says of it), as it gets ready; BadImage for a prompt that cannot be ranked."""

    def close(self) -> None:
        """Free what was started; called once."""


def prompts(rows: Iterable[Mapping[str, Any]]) -> Iterator[Prompt]:
    """Rows of table `prompt`, or at least their `PROMPT_COLUMNS`."""
    for row in rows:
        yield Prompt(*(row[name] for name in PROMPT_COLUMNS))
