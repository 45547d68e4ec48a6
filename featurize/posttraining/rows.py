"""What a method learns from: prompts of split `train`, what was chosen there, and how much it weighs.

Invariants: no prompt that is held out is read at all, so what the ranker is later judged by has had no say in it, not
even in when to stop: for that some of the training members are kept back. A prompt whose letter words cannot tell from
another is left out and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurize.config import Posttrain
from featurize.errors import RefusedInput
from featurize.inference.letters import LETTERS
from featurize.storage import tables, views
from featurize.storage.store import Store
from featurize.storage.tables import sql

SQL = {
    "weighted": "rows_weighted",
    "direct": "rows_direct",
    "reward_model": "rows_reward_model",
    "sft": "rows_sft",
    "sft_reasoning": "rows_sft",
    "dpo": "rows_dpo",
}

_TEMPLATE = "SELECT any_value(template_key) FROM current_prompt WHERE kind = 'logged' AND split = 'train'"
MOST_READ = 2000
"""Of what is kept back, so much at most is read again and again: more takes long, and says when to stop no better."""


@dataclass(frozen=True)
class Rows:
    """Columns of sql/rows_*.sql; `learnt` and `kept_back` are places in it. `weight` is 1 in the mean over `learnt`.

    `reward` of each row where the method learns what it was; else None. `values` (rows, most candidates) of all its
    candidates, nan beyond them, where it learns these.
    """

    table: pa.Table
    weight: npt.NDArray[np.float64]
    reward: npt.NDArray[np.float64] | None
    learnt: npt.NDArray[np.int64]
    kept_back: npt.NDArray[np.int64]
    recipe_key: str
    template_key: str
    tokens_by: str
    counts: dict[str, int]
    effective: float
    """Kish's effective number of the examples learnt from: (sum of weights)² / sum of squared weights."""
    values: npt.NDArray[np.float64] | None = None
    values_of: Mapping[str, Any] = field(default_factory=dict)
    """What `values` follow from besides the rows."""
    temperature: float = 1.0
    """By how much a value must be larger for a letter to be e times as likely."""

    @property
    def read(self) -> npt.NDArray[np.int64]:
        """Those of `kept_back` that are read while it trains."""
        return self.kept_back[:: max(1, -(-len(self.kept_back) // MOST_READ))]

    def digest(self) -> str:
        """Of all that is learnt from and of who is kept back."""
        found = hashlib.sha256()
        columns = ("prompt_id", "answer", "rejected", "messages", "slots")
        for row, weight in zip(self.table.select(columns).to_pylist(), self.weight, strict=True):
            found.update(json.dumps([row, float(weight)], sort_keys=True).encode())
        if self.reward is not None:
            found.update(self.reward.tobytes())
        if self.values_of:  # not the values: their last digits depend on the number of threads
            found.update(json.dumps(self.values_of, sort_keys=True).encode())
        found.update(np.ascontiguousarray(self.kept_back).tobytes())
        return found.hexdigest()


def read(store: Store, wanted: Posttrain) -> Rows:
    """Errors: RefusedInput when there is nothing to learn from."""
    if wanted.method == "weighted" and wanted.most_weight < 1:
        raise RefusedInput(
            f"posttrain.clip = {wanted.most_weight:g}: 1 / propensity is never below 1, so give 1 or more"
        )
    with views.connect(store) as db:
        query = sql("posttraining", SQL[wanted.method])
        given = {"clip": wanted.most_weight, "letters": LETTERS}
        table = tables.arrow(db, query, {name: value for name, value in given.items() if f"${name}" in query})
        alike = table["alike"].to_numpy().astype(bool)
        left_out = int(alike.sum()) + (_pairs_left_out(db) if wanted.method == "dpo" else 0)
        template_key = str(tables.scalar(db, _TEMPLATE))
        if alike.all():
            raise RefusedInput(_nothing(db, store, wanted.method, left_out))
    table = table.filter(pa.array(~alike)).combine_chunks()
    for row in table.select(["prompt_id", "answer", "rejected", "choices"]).to_pylist():
        options = LETTERS[: row["choices"]]
        for letter in filter(None, (row["answer"], row["rejected"])):
            if letter not in options:
                raise RefusedInput(f"prompt {row['prompt_id']}: the answer {letter} is not among {', '.join(options)}")
    kept = np.array([_kept(wanted, member) for member in table["member_id"].to_pylist()])
    if kept.all():
        raise RefusedInput(
            f"posttrain.validation = {wanted.validation:g} keeps all {len(kept):,} examples back: give less, or 0"
        )
    weight = table["weight"].to_numpy().astype(np.float64)
    reward = table["reward"].to_numpy().astype(np.float64) if "reward" in table.column_names else None
    learnt = np.flatnonzero(~kept)
    if reward is not None and len(set(reward[learnt])) < 2:
        raise RefusedInput(
            f"all {len(learnt):,} answers to learn from have the reward {reward[learnt[0]]:g}: there is no difference"
            f" for method {wanted.method} to learn"
        )
    # One mean for the whole split: that of a batch would make the same example count more beside small ones.
    weight = weight / weight[learnt].mean()
    counts = {
        "examples": len(learnt),
        "kept back": int(kept.sum()),
        "left out, same words": left_out,
    }
    if wanted.method == "weighted" or (wanted.method == "reward_model" and wanted.most_weight > 0):
        counts["weights clipped"] = int(table["clipped"].to_numpy().astype(bool)[learnt].sum())
    recipes = {(row["recipe_key"], row["tokens_by"]) for row in table.select(["recipe_key", "tokens_by"]).to_pylist()}
    ((recipe_key, tokens_by),) = recipes
    used = weight[learnt]
    return Rows(
        table,
        weight,
        reward,
        learnt,
        np.flatnonzero(kept),
        recipe_key,
        template_key,
        tokens_by,
        counts,
        float(used.sum() ** 2 / (used**2).sum()),
    )


def _pairs_left_out(db: duckdb.DuckDBPyConnection) -> int:
    query = "SELECT sum(rows)::BIGINT FROM training_left_out WHERE form = 'dpo' AND split = 'train'"
    return int(tables.scalar(db, query) or 0)


def _nothing(db: duckdb.DuckDBPyConnection, store: Store, method: str, left_out: int) -> str:
    count: Any = tables.scalar(db, "SELECT count(*) FROM current_prompt WHERE kind = 'logged' AND split = 'train'")
    if not count:
        return f"{store.uri} has no prompts of split train: run `make prompts` first"
    same = f"; {left_out:,} were left out, as other candidates are described in the same words" if left_out else ""
    return f"none of the {count:,} prompts of split train has an answer that method {method} learns from{same}"


def _kept(wanted: Posttrain, member_id: str) -> bool:
    digest = hashlib.sha256(f"{wanted.seed}|kept back|{member_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < wanted.validation * 2**64
