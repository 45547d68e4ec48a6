"""The artwork nearest to what the member played, in the space where `make recommend` has brought titles together.

A member is the mean of what their plays say (`item_vector.played`), from strictly before the moment; an artwork is
where the recommender puts its own words or picture. Nothing of what was shown is learnt from. A member who has played
nothing, or an artwork without a vector, gives 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from featurize.errors import RefusedInput
from featurize.inference import features
from featurize.inference.ranker import Data, Given, Prompt, Ranked, RankerSettings
from featurize.storage import tables
from featurize.storage.tables import sql

Settings = RankerSettings


class Ranker:
    per_model = False
    needs = ""

    def __init__(self, settings: RankerSettings, given: Given) -> None:
        assert given.data is not None
        self._data, key = given.data, _model(given.data)
        asked = (
            "SELECT item_id, vector, played FROM item_vector WHERE model_key = $key AND kind = $kind ORDER BY item_id"
        )
        titles, artworks = (
            tables.arrow(given.data.db, asked, {"key": key, "kind": kind}) for kind in ("title", "artwork")
        )
        self._titles = titles["item_id"].to_pylist()
        self._played = features.matrix(titles["played"])
        self._artworks = dict(zip(artworks["item_id"].to_pylist(), features.matrix(artworks["vector"]), strict=True))

    @staticmethod
    def fingerprint(settings: RankerSettings, given: Given) -> dict[str, Any]:
        assert given.data is not None
        return {"version": 1, "vectors": _model(given.data), **given.data.digest("history_told")}

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked]]:
        played = features.means_of_played(self._data, prompts, self._titles, self._played)
        for place, (prompt, member) in enumerate(played):
            nothing = np.zeros_like(member)
            shown = np.stack([self._artworks.get(artwork, nothing) for artwork in prompt.artwork_ids])
            length = np.linalg.norm(shown, axis=1) * np.linalg.norm(member)
            yield place, Ranked((shown @ member / np.where(length > 0, length, 1)).tolist())

    def close(self) -> None:
        pass


def _model(data: Data) -> str:
    """The newest Two-Towers with vectors of artworks. Errors: RefusedInput where there is none."""
    found = data.db.execute(sql("rankers", "two_towers")).fetchall()
    if not found:
        raise RefusedInput(
            "ranker 'two_towers' reads what `make recommend` made of artworks, and the store has none: run that, or "
            "name rank.rankers without it"
        )
    return str(found[0][0])
