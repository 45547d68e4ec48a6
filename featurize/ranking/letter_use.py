"""Which letters an LLM picks, against how many there were to pick: a model that reads picks them alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from featurize.inference.letters import LETTERS
from featurize.storage import tables
from featurize.storage.store import Store
from featurize.storage.tables import sql

SURE = 0.001
"""Below this the letters picked are told to be no matter of chance."""
_SHOWN = 6
"""Letters that are told one by one."""


@dataclass(frozen=True)
class LetterUse:
    """By letter how often it was picked, and how often it would be were all candidates of a prompt picked alike."""

    picked: Sequence[float]
    expected: Sequence[float]
    share: float
    """Of all probability, what the letters of the candidates had, on average over the prompts."""

    @property
    def chi_squared(self) -> float:
        pairs = zip(self.picked, self.expected, strict=True)
        return sum((seen - wanted) ** 2 / wanted for seen, wanted in pairs if wanted)

    @property
    def chance(self) -> float:
        """Of so large a chi-squared without any leaning, by the normal approximation of Wilson and Hilferty."""
        freedom = sum(1 for wanted in self.expected if wanted) - 1
        if freedom < 1:
            return 1.0
        spread = 2 / (9 * freedom)
        return 0.5 * math.erfc(((self.chi_squared / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(2 * spread))

    def told(self) -> str:
        """A sentence."""
        prompts = sum(self.picked)
        shares = [
            f"{letter} {seen / prompts:.0%} ({wanted / prompts:.0%})"
            for letter, seen, wanted in zip(LETTERS, self.picked, self.expected, strict=False)
        ][:_SHOWN]
        leaning = "no more than chance" if self.chance >= SURE else "it leans on letters"
        return (
            f"picked {', '.join(shares)} (as often as there were such candidates): chi-squared {self.chi_squared:.0f}, "
            f"{leaning}; its letters have {self.share:.0%} of the probability"
        )


def measure(db: duckdb.DuckDBPyConnection, store: Store, recipe: str, model_key: str) -> LetterUse | None:
    """Of the rankings by a model of the prompts in table `prompt_to_rank`; None where it has no letters."""
    store.register(db, "prompt", [recipe])
    store.register(db, "ranking", [model_key])
    rows = tables.arrow(db, sql("ranking", "letter_use")).to_pylist()
    for name in ("prompt", "ranking"):
        db.unregister(name)
    if not rows or rows[0]["share"] is None:
        return None
    by_count: Mapping[int, int] = {row["candidates"]: 0 for row in rows}
    prompts = {count: sum(row["picked"] for row in rows if row["candidates"] == count) for count in by_count}
    most = max(by_count)
    picked = [float(sum(row["picked"] for row in rows if row["place"] == place)) for place in range(1, most + 1)]
    expected = [sum(prompts[count] / count for count in prompts if count >= place) for place in range(1, most + 1)]
    share = sum(row["share"] * row["picked"] for row in rows) / sum(picked)
    return LetterUse(picked, expected, share)
