"""What a ranker says of a prompt as rows of `ranking`: ranks, probabilities, propensities.

Invariant: over a prompt probabilities and propensities are 1 in sum, ranks are 1 to n, and all of it follows from the
scores, the exploration and the ids, so that a rerun writes the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from featurize.errors import RunFailed
from featurize.inference.exploration import Explore, softmax
from featurize.inference.ranker import Prompt, Ranked


def ranks(prompt: Prompt, scores: Sequence[float]) -> list[int]:
    """Place of each candidate, from 1; equal scores by a hash of prompt and artwork."""

    def key(place: int) -> tuple[float, str]:
        tie = hashlib.sha256(f"{prompt.prompt_id}|{prompt.artwork_ids[place]}".encode()).hexdigest()
        return -scores[place], tie

    order = sorted(range(len(scores)), key=key)
    found = [0] * len(scores)
    for rank, place in enumerate(order, 1):
        found[place] = rank
    return found


def columns(asked: Sequence[tuple[Prompt, Ranked]], explore: Explore) -> Mapping[str, list[Any]]:
    """Columns of `ranking`, one row per prompt and candidate. Errors: RunFailed naming a ranker's fault."""
    found: dict[str, list[Any]] = {
        name: [] for name in ("prompt_id", "artwork_id", "score", "probability", "rank", "propensity", "letter_share")
    }
    for prompt, said in asked:
        count = len(prompt.artwork_ids)
        scores = np.asarray(said.scores, np.float64)
        if scores.shape != (count,) or not np.isfinite(scores).all():
            raise RunFailed(f"prompt {prompt.prompt_id}: the ranker gave {len(scores)} scores for {count} candidates")
        places = ranks(prompt, scores.tolist())
        sure = softmax(scores) if said.probabilities is None else np.asarray(said.probabilities, np.float64)
        shown = explore.propensities(sure, places) if said.propensities is None else np.asarray(said.propensities)
        found["prompt_id"] += [prompt.prompt_id] * count
        found["artwork_id"] += prompt.artwork_ids
        found["score"] += scores.tolist()
        found["probability"] += np.clip(sure, 0, 1).tolist()
        found["rank"] += places
        found["propensity"] += np.clip(shown, 0, 1).tolist()
        found["letter_share"] += [said.letter_share] * count
    return found
