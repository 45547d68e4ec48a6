"""Invented actors: a name, what they are cast for, how well they are liked, and a face that is theirs everywhere.

Names are put together from syllables; nobody is meant. Invariant: the pool of a seed is the same for every size of
world, and everything an actor looks like is in `Face`, drawn from the actor's own random stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from featurize.demo.colours import HAIRS, SKINS, Rgb
from featurize.demo.vocabulary import THEMES

POOL = 48
"""Actors of a world, half of them women. Few enough that those of 60 titles come back."""
_STREAM, _FACES = 4, 6

_ONSETS = "Bel Cor Dar El Fen Gal Hal Il Jor Kel Lor Mar Nel Or Pel Quin Ros Sel Tam Ul Ver Wil Yar Zel"
_ENDINGS = {"woman": ("a", "ia", "ina", "enna", "issa"), "man": ("an", "o", "en", "is", "ovan")}
_HOUSES = (
    "Ash Brack Cald Dray Ember Fal Grim Hazel Iver Juniper Kest Lark "
    "Mead North Oaken Pine Quarry Raven Stav Thorn Umber Vane Whit Yarrow"
)
_PLACES = ("mere", "wick", "den", "lock", "low", "stead", "combe", "holt")


@dataclass(frozen=True)
class Face:
    """What makes a face somebody's. The lengths are added to those of the common face, in units of `faces`."""

    skin: Rgb
    hair: Rgb
    hair_style: int
    beard: str
    """none, full or moustache."""
    jaw: int
    chin: int
    eyes: int
    """How much further apart."""
    nose: int
    brows: int
    mole: int
    """Side of the cheek it is on: -1, 1, or 0 for none."""
    glasses: bool


@dataclass(frozen=True)
class Actor:
    """`number` counts through the pool; `themes` are the two they are mostly cast for."""

    number: int
    name: str
    sex: str
    themes: tuple[str, str]
    fame: float
    """Share of the members who like them."""
    face: Face


@lru_cache
def actors(seed: int) -> tuple[Actor, ...]:
    """The pool of a world. No two share a surname, and no two of a sex both skin and hair."""
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    houses = [
        house + _PLACES[(at + turn) % len(_PLACES)] for turn in (0, 3) for at, house in enumerate(_HOUSES.split())
    ]
    surnames = [houses[at] for at in rng.permutation(len(houses))]
    made: list[Actor] = []
    for sex, endings in _ENDINGS.items():
        looks = rng.permutation(len(SKINS) * len(HAIRS))
        for onset, look in zip(_ONSETS.split(), looks, strict=False):
            first, second = rng.permutation(list(THEMES))[:2]
            made.append(
                Actor(
                    number=len(made),
                    name=f"{onset}{endings[int(rng.integers(len(endings)))]} {surnames[len(made)]}",
                    sex=sex,
                    themes=(str(first), str(second)),
                    fame=(2 + int(rng.integers(4)) * int(rng.integers(4))) / 100,
                    face=_face(seed, len(made), sex, int(look)),
                )
            )
    return tuple(made)


def _face(seed: int, number: int, sex: str, look: int) -> Face:
    rng = np.random.Generator(np.random.PCG64([seed, _FACES, number]))
    skin, hair = divmod(look, len(HAIRS))
    beard = ("none", "none", "full", "moustache")[int(rng.integers(4))]
    return Face(
        skin=SKINS[skin],
        hair=HAIRS[hair],
        hair_style=int(rng.integers(3)),
        beard=beard if sex == "man" else "none",
        jaw=int(rng.integers(-10, 9)),
        chin=int(rng.integers(-6, 13)),
        eyes=int(rng.integers(-4, 6)),
        nose=int(rng.integers(-4, 9)),
        brows=int(rng.integers(-2, 6)),
        mole=int(rng.integers(-1, 2)),
        glasses=not rng.integers(4),
    )


def cast_of(rng: np.random.Generator, themes: Sequence[str], pool: Sequence[Actor]) -> tuple[Actor, ...]:
    """The cast of a title of these themes, most important first: two women, two men, and in every other a fifth."""
    weights = np.array([1 + sum(5 - 2 * actor.themes.index(t) for t in themes if t in actor.themes) for actor in pool])
    women = np.array([actor.sex == "woman" for actor in pool])
    chosen: list[int] = []
    for wanted in (women, ~women, women, ~women, women | ~women)[: 4 + int(rng.integers(2))]:
        left = np.where(wanted, weights, 0)
        left[chosen] = 0
        at = int(np.searchsorted(left.cumsum(), int(rng.integers(left.sum())), side="right"))
        chosen.append(at)
    return tuple(pool[chosen[at]] for at in rng.permutation(len(chosen)))
