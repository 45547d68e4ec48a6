"""The artwork that was played most often when it was shown: the same for every member.

Its take rate in the training prompts, smoothed: as if each had been shown `PRIOR` times more and taken as often as the
artworks of the title were, and these as often as all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from featurize.errors import RefusedInput
from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings
from featurize.storage.tables import sql

Settings = RankerSettings
PRIOR = 20


class Ranker:
    per_model = False
    needs = ""

    def __init__(self, settings: RankerSettings, given: Given) -> None:
        assert given.data is not None
        rows = given.data.db.execute(sql("rankers", "take_rates"), {"prior": PRIOR}).fetchall()
        if not rows:
            raise RefusedInput("ranker 'popular' learns from logged prompts of split train, and there are none")
        self._artwork = {artwork: rate for _, artwork, rate, _, _ in rows}
        self._title = {title: rate for title, _, _, rate, _ in rows}
        self._all: float = rows[0][4]

    @staticmethod
    def fingerprint(settings: RankerSettings, given: Given) -> dict[str, Any]:
        assert given.data is not None
        return {"version": 1, "prior": PRIOR, **given.data.digest("training")}

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked]]:
        for place, prompt in enumerate(prompts):
            never_shown = self._title.get(prompt.title_id, self._all)
            yield place, Ranked([self._artwork.get(artwork, never_shown) for artwork in prompt.artwork_ids])

    def close(self) -> None:
        pass
