"""The held-out rounds and the policies to compare on them, from the store, as arrays.

Invariant: every held-out prompt is a round or counted under a reason; so is every round of each policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa

from featurize.errors import NothingYet, RefusedInput
from featurize.storage import tables
from featurize.storage.tables import sql

Array = np.ndarray
LOGGED = "logged"
GREEDY = "logged_greedy"


@dataclass(frozen=True)
class Log:
    """n rounds of at most K candidates. `table` has a row of sql/held_out.sql each.

    (n,): `member` as a number, place of what was `shown`, `reward`, `propensity`, number of `candidates`.
    (n, K): `real` where there is a candidate, `propensities` of all of them (1 in sum), 0 where there is none and NaN
    in rounds whose log did not say.
    """

    table: pa.Table
    member: Array
    shown: Array
    reward: Array
    propensity: Array
    candidates: Array
    real: Array
    propensities: Array

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def told(self) -> Array:
        """(n,) whether the log says how likely every candidate was."""
        return np.asarray(np.isfinite(self.propensities).all(axis=1))


@dataclass(frozen=True)
class Policy:
    """What one policy does: `probability` (n, K), 0 where it says nothing; `rows`, the rounds that it has (n,).

    `left_out` counts the other rounds by reason. `model_key` is None of what the log itself holds.
    """

    name: str
    model_key: str | None
    probability: Array
    rows: Array
    left_out: dict[str, int] = field(default_factory=dict)

    def of_shown(self, log: Log) -> Array:
        """(n,) its probability of what was shown; of `logged` the propensity itself."""
        if self.name == LOGGED:
            return log.propensity
        return np.asarray(self.probability[np.arange(len(log)), log.shown])


def read(db: duckdb.DuckDBPyConnection, store: str) -> Log:
    """The rounds, in the order of their prompts; leaves views `logged`, `trained` and `held_out` in `db`, beside the
    views of the store and `history`.

    Errors: RefusedInput when there are none, or a propensity is of no use.
    """
    db.execute(sql("evaluating", "logged"))
    db.execute("CREATE OR REPLACE TEMP VIEW trained AS FROM logged WHERE split = 'train'")
    if not tables.scalar(db, "SELECT count(*) FROM logged"):
        raise NothingYet(f"{store} has no prompts of impressions: run `make prompts` first")
    db.execute(f"CREATE OR REPLACE TEMP TABLE held_out AS {sql('evaluating', 'held_out')}")
    found = tables.arrow(db, "FROM held_out ORDER BY number")
    if not len(found):
        raise NothingYet(
            f"{store} has no held-out prompts to compare on: prompts.held_out or prompts.held_out_from makes some, "
            "in a recipe of its own"
        )
    _refuse_bad(found)
    counts = pa.compute.list_value_length(found["artwork_ids"]).to_numpy()
    real = np.arange(counts.max()) < counts[:, None]
    propensities = np.where(real, np.nan, 0.0)
    for row, each in enumerate(found["propensities"].to_pylist()):
        if each is not None:
            propensities[row, : len(each)] = each
    # Of a candidate that the prompt leaves out nothing is known, and a round exists only where another one was shown.
    whole = propensities.sum(axis=1)
    among = np.where(np.isfinite(whole), whole, 1.0)
    return Log(
        table=found,
        member=_numbered(found["member_id"]),
        shown=found["shown"].to_numpy(),
        reward=found["reward"].to_numpy(),
        propensity=np.minimum(found["propensity"].to_numpy() / among, 1.0),
        candidates=counts,
        real=real,
        propensities=propensities / among[:, None],
    )


def _refuse_bad(found: pa.Table) -> None:
    """The contract of table prompt forbids these; a store may have been written by somebody else."""
    propensity = found["propensity"].to_numpy(zero_copy_only=False).astype(float)
    bad = ~(np.isfinite(propensity) & (propensity > 0) & (propensity <= 1))
    if bad.any():
        which = found["prompt_id"][int(bad.argmax())]
        raise RefusedInput(
            f"{bad.sum():,} of {len(found):,} held-out prompts have no propensity above 0 and up to 1, such as {which}"
        )


def policies(db: duckdb.DuckDBPyConnection, log: Log, models: Sequence[str], store: str) -> list[Policy]:
    """`logged`, `logged_greedy` where the log says enough, then every ranker, by name.

    Errors: RefusedInput when nothing ranked these prompts, or one of `models` did not.
    """
    db.execute("CREATE OR REPLACE TEMP TABLE policy AS " + sql("evaluating", "policies"), {"models": list(models)})
    keys = [key for (key,) in db.execute("SELECT DISTINCT model_key FROM policy ORDER BY 1").fetchall()]
    if missing := [key for key in models if key not in keys]:
        raise RefusedInput(f"evaluate.models: '{missing[0]}' has ranked none of the held-out prompts of {store}")
    if not keys:
        raise NothingYet(f"{store} has no rankings of its held-out prompts: run `make rank` first")
    named = names(db, keys)
    every = np.ones(len(log), bool)
    found = [Policy(LOGGED, None, np.nan_to_num(log.propensities), every)]
    if log.told.any() and GREEDY not in named.values():
        untold = {"no propensities of all candidates": int((~log.told).sum())} if not log.told.all() else {}
        found.append(Policy(GREEDY, None, greedy(log.propensities), log.told, untold))
    return found + [_policy(db, log, key, named[key]) for key in keys if named[key] != LOGGED]


def greedy(scores: Array) -> Array:
    """(n, K) all on the highest, in equal parts where several are; zeros where a score is unknown."""
    best = scores == scores.max(axis=1, keepdims=True)
    return np.asarray(best / np.maximum(best.sum(axis=1, keepdims=True), 1))


def _policy(db: duckdb.DuckDBPyConnection, log: Log, key: str, name: str) -> Policy:
    rows = "FROM policy WHERE model_key = $key AND reason IS NULL"
    found = tables.arrow(db, f"SELECT number, place, propensity {rows}", {"key": key})
    probability, has = np.zeros(log.real.shape), np.zeros(len(log), bool)
    number = found["number"].to_numpy()
    has[number] = True
    probability[number, found["place"].to_numpy()] = found["propensity"].to_numpy()
    query = """SELECT reason, count(DISTINCT prompt_id) FROM policy WHERE model_key = $key AND reason IS NOT NULL
        GROUP BY reason ORDER BY reason"""
    reasons = dict(db.execute(query, {"key": key}).fetchall())
    unranked = len(log) - int(has.sum()) - sum(reasons.values())
    return Policy(name, key, probability, has, reasons | ({"not ranked": unranked} if unranked else {}))


def names(db: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> dict[str, str]:
    """A short name of each ranker: what the job that ranked called it, and a part of its key where several share it."""
    known = dict(db.execute(sql("evaluating", "names"), {"keys": list(keys)}).fetchall())
    short = [known.get(key, key) for key in keys]
    return {
        key: name if short.count(name) == 1 else f"{name} {key.rpartition('-')[2][:6]}"
        for key, name in zip(keys, short, strict=True)
    }


def _numbered(column: pa.ChunkedArray) -> Array:
    return np.asarray(column.combine_chunks().dictionary_encode().indices.to_numpy())
