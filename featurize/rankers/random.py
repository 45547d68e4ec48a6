"""Any candidate, all alike: what everything else must beat. The order follows from the seed and the prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings

Settings = RankerSettings


class Ranker:
    per_model = False
    needs = ""

    def __init__(self, settings: RankerSettings, given: Given) -> None:
        self._seed = given.seed

    @staticmethod
    def fingerprint(settings: RankerSettings, given: Given) -> dict[str, Any]:
        return {"version": 1}

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked]]:
        """The scores are drawn; as a policy every candidate is equally likely."""
        for place, prompt in enumerate(prompts):
            alike = [1 / len(prompt.artwork_ids)] * len(prompt.artwork_ids)
            scores = [self._draw(prompt.prompt_id, artwork) for artwork in prompt.artwork_ids]
            yield place, Ranked(scores, alike, alike)

    def _draw(self, prompt_id: str, artwork_id: str) -> float:
        digest = hashlib.sha256(f"{self._seed}|{prompt_id}|{artwork_id}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48

    def close(self) -> None:
        pass
