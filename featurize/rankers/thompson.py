"""Linear Thompson sampling (Agrawal & Goyal 2013): each artwork as often as it is likely to be the best.

Fitted as `linucb` is. As a policy it draws: propensities are how often each artwork is best when the weights are drawn,
counted over `DRAWS` draws that follow from the seed and the prompt. Artworks are ordered by them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from featurize.inference import features
from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings

DRAWS = 1_000


class Settings(RankerSettings):
    noise: float = Field(0.1, ge=0, description="standard deviation of a reward: more explores more")


class Ranker:
    per_model = False
    needs = ""

    def __init__(self, settings: Settings, given: Given) -> None:
        assert given.data is not None
        self._features, self._posterior = features.learnt(given.data)
        self._noise, self._seed = settings.noise, given.seed

    @staticmethod
    def fingerprint(settings: Settings, given: Given) -> dict[str, Any]:
        assert given.data is not None
        return {"version": 3, "noise": settings.noise, "seed": given.seed, **given.data.digest(*features.READ)}

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked]]:
        for place, (prompt, known) in enumerate(zip(prompts, self._features.of_prompts(prompts), strict=True)):
            digest = hashlib.sha256(f"{self._seed}|{prompt.prompt_id}".encode()).digest()
            dice = np.random.default_rng(int.from_bytes(digest[:8], "big"))
            shares = self._posterior.wins(known, self._noise, DRAWS, dice).tolist()
            yield place, Ranked(shares, shares, shares)

    def close(self) -> None:
        pass
