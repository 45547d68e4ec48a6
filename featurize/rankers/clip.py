"""The artwork that looks most like what the member has played: cosine of its vector with the mean of theirs.

Nothing is learnt. Of a played title the mean over its artworks counts, since which of them was seen is not known. A
member who has played nothing, or an artwork without a vector, gives 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from featurize.errors import RefusedInput
from featurize.inference import features
from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings
from featurize.storage import tables

Settings = RankerSettings


class Ranker:
    per_model = False
    needs = ""

    def __init__(self, settings: RankerSettings, given: Given) -> None:
        assert given.data is not None
        self._data = given.data
        rows = tables.arrow(given.data.db, "SELECT artwork_id, embedding FROM embedding ORDER BY artwork_id")
        if not rows.num_rows:
            raise RefusedInput(
                "ranker 'clip' compares image vectors, and the store has none: run `make featurize` with an embed "
                "section, or name rank.rankers without it"
            )
        self._vectors = dict(zip(rows["artwork_id"].to_pylist(), features.matrix(rows["embedding"]), strict=True))

    @staticmethod
    def fingerprint(settings: RankerSettings, given: Given) -> dict[str, Any]:
        assert given.data is not None
        return {"version": 1, **given.data.digest("embedding", "history_told")}

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked]]:
        for place, (prompt, played) in enumerate(features.played_vectors(self._data, prompts)):
            nothing = np.zeros_like(played)
            shown = np.stack([self._vectors.get(artwork, nothing) for artwork in prompt.artwork_ids])
            length = np.linalg.norm(shown, axis=1) * np.linalg.norm(played)
            yield place, Ranked((shown @ played / np.where(length > 0, length, 1)).tolist())

    def close(self) -> None:
        pass
