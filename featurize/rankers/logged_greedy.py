"""The production policy without its exploration: always the artwork that the log says was likeliest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings

Settings = RankerSettings


class Ranker:
    per_model = False
    needs = "propensities IS NOT NULL"

    def __init__(self, settings: RankerSettings, given: Given) -> None:
        pass

    @staticmethod
    def fingerprint(settings: RankerSettings, given: Given) -> dict[str, Any]:
        return {"version": 1}

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked]]:
        for place, prompt in enumerate(prompts):
            assert prompt.propensities is not None
            whole = sum(prompt.propensities)
            shares = [share / whole for share in prompt.propensities]
            yield place, Ranked(shares, shares)

    def close(self) -> None:
        pass
