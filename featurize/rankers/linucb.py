"""LinUCB (Li et al. 2010): the reward as a linear function of artwork and member, and a bonus for what is unsure.

Fitted on what was shown in the training prompts, with the features of `inference/features.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from featurize.inference import features
from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings


class Settings(RankerSettings):
    alpha: float = Field(0.1, ge=0, description="how much the unsure is preferred; 0: not at all")


class Ranker:
    per_model = False
    needs = ""

    def __init__(self, settings: Settings, given: Given) -> None:
        assert given.data is not None
        self._features, self._posterior = features.learnt(given.data)
        self._alpha = settings.alpha

    @staticmethod
    def fingerprint(settings: Settings, given: Given) -> dict[str, Any]:
        assert given.data is not None
        return {"version": 3, "alpha": settings.alpha, **given.data.digest(*features.READ)}

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked]]:
        for place, known in enumerate(self._features.of_prompts(prompts)):
            yield place, Ranked(self._posterior.upper(known, self._alpha).tolist())

    def close(self) -> None:
        pass
