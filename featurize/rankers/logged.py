"""The production policy as the log has it: each candidate as likely as it was when the log was written.

Where the log has the propensity of the artwork shown alone, the others share what is left alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from featurize.inference.letters import LETTERS
from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings

Settings = RankerSettings


class Ranker:
    per_model = False
    needs = "kind = 'logged'"

    def __init__(self, settings: RankerSettings, given: Given) -> None:
        pass

    @staticmethod
    def fingerprint(settings: RankerSettings, given: Given) -> dict[str, Any]:
        return {"version": 1}

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked]]:
        for place, prompt in enumerate(prompts):
            shares = prompt.propensities or _spread(prompt)
            whole = sum(shares)
            shares = [share / whole for share in shares]
            yield place, Ranked(shares, shares, shares)

    def close(self) -> None:
        pass


def _spread(prompt: Prompt) -> list[float]:
    assert prompt.answer is not None
    assert prompt.propensity is not None
    shown = LETTERS.index(prompt.answer)
    count = len(prompt.artwork_ids)
    left = (1 - prompt.propensity) / (count - 1)
    return [prompt.propensity if place == shown else left for place in range(count)]
