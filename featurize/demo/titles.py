"""The catalogue: titles that mix two or three themes, and artworks that each stress one of them.

Every title has a random stream of its own, so title 7 of a world is the same title whether 60 or 2,000 are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from featurize.demo.actors import Actor, actors, cast_of
from featurize.demo.names import poster_name
from featurize.demo.scenes import Scene, pick, sample_scene, with_cast
from featurize.demo.vocabulary import THEMES

_STREAM, _CASTING = 1, 5  # the first word after the world's seed tells the streams of titles and members apart

_HEROES = {
    "romance": "two strangers who cannot forget each other",
    "action": "a courier with an hour to spare",
    "horror": "the last guest of a house nobody leaves",
    "comedy": "the worst party planner in town",
    "science fiction": "the crew of a ship that lost its way",
    "drama": "a daughter who comes home too late",
    "family": "three children and a dog nobody wanted",
    "western": "a sheriff without a town",
    "fantasy": "a young knight with a borrowed sword",
    "mystery": "a detective who trusts no witness",
}
_PLOTS = {
    "romance": "a love that was never meant to last",
    "action": "a chase that does not let up until dawn",
    "horror": "something that wakes when the lights go out",
    "comedy": "a plan that goes wrong in every possible way",
    "science fiction": "a signal from beyond the last planet",
    "drama": "the words that were never said at home",
    "family": "a summer that brings everyone back together",
    "western": "an old debt on the open frontier",
    "fantasy": "a crown that a dragon has sworn to keep",
    "mystery": "a clue that points to the wrong door",
}
_ENDINGS = {
    "romance": "In the end there is only one question: stay or go.",
    "action": "Every second counts.",
    "horror": "Do not answer the door.",
    "comedy": "And there is still the cake to deliver.",
    "science fiction": "Home has never been further away.",
    "drama": "Some silences are louder than words.",
    "family": "Together they find more than they were looking for.",
    "western": "At noon there will be no more talking.",
    "fantasy": "The old songs did not tell everything.",
    "mystery": "Somebody in the room is lying.",
}

_STEPS = {
    "romance": 1,
    "action": 2,
    "horror": 3,
    "comedy": 0,
    "science fiction": 1,
    "drama": 1,
    "family": 0,
    "western": 2,
    "fantasy": 1,
    "mystery": 2,
}


@dataclass(frozen=True)
class Artwork:
    """One picture of a title. `uri` is relative to the world's folder."""

    artwork_id: str
    title_id: str
    uri: str
    priority: float
    scene: Scene

    @property
    def maturity(self) -> int:
        """Age from which a catalogue would show it: by the theme, and a step older where it menaces."""
        steps = (0, 7, 13, 16, 18)
        return steps[_STEPS[self.scene.theme] + (self.scene.mood in ("menacing", "tense"))]


@dataclass(frozen=True)
class Title:
    """`themes[0]` is the strongest. `genres` are the themes as a catalogue would write them."""

    title_id: str
    name: str
    year: int
    themes: tuple[str, ...]
    synopsis: str
    cast: tuple[Actor, ...]
    """Most important first."""
    artworks: tuple[Artwork, ...]


def titles(count: int, seed: int) -> Iterator[Title]:
    """The first `count` titles of a world; names are unique."""
    taken: set[str] = set()
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64([seed, _STREAM, number]))
        casting = np.random.Generator(np.random.PCG64([seed, _CASTING, number]))
        themes = tuple(str(theme) for theme in rng.permutation(list(THEMES))[: 2 + int(rng.integers(2))])
        name = poster_name(rng, *themes)
        while name in taken:
            name = poster_name(rng, *themes)
        taken.add(name)
        title_id = f"t{number + 1:04d}"
        cast = cast_of(casting, themes, actors(seed))
        yield Title(
            title_id=title_id,
            name=name,
            year=1980 + int(rng.integers(46)),
            themes=themes,
            synopsis=_synopsis(rng, themes),
            cast=cast,
            artworks=tuple(
                replace(artwork, scene=with_cast(casting, artwork.scene, cast))
                for artwork in _artworks(rng, title_id, name, themes)
            ),
        )


def _artworks(rng: np.random.Generator, title_id: str, name: str, themes: tuple[str, ...]) -> tuple[Artwork, ...]:
    count = int(pick(rng, {"2": 4, "3": 6, "4": 6, "5": 3, "6": 2, "7": 1, "8": 1}))
    made = []
    for number in range(1, count + 1):
        scene = sample_scene(rng, theme=themes[(number - 1) % len(themes)], title_text=name)
        suffix = pick(rng, {"jpg": 7, "webp": 2, "png": 1})
        made.append(
            Artwork(
                artwork_id=f"{title_id}-{number}",
                title_id=title_id,
                uri=f"artwork/{title_id}/{number}.{suffix}",
                priority=round(1 - (number - 1) / 8, 3),
                scene=scene,
            )
        )
    return tuple(made)


def _synopsis(rng: np.random.Generator, themes: tuple[str, ...]) -> str:
    """Two or three sentences that name each theme's side of the story."""
    hero, plot = _HEROES[themes[0]], _PLOTS[themes[1]]
    opening = ("The story of {} and {}.", "Meet {}: before them lies {}.", "{}, and {}.")[int(rng.integers(3))]
    sentences = [opening.format(hero, plot)]
    if len(themes) > 2:
        sentences.append(f"What nobody expects is {_PLOTS[themes[2]]}.")
    sentences.append(_ENDINGS[themes[int(rng.integers(len(themes)))]])
    text = " ".join(sentences)
    return text[0].upper() + text[1:]
