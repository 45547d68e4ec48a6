"""A scene: everything a picture of the demo world shows, chosen before a pixel is drawn.

Invariant: a `Scene` is the whole input of the renderer and of the true description, so the two cannot disagree. All
choices are integers drawn from numpy's PCG64; nothing depends on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featurize.demo.actors import Actor
from featurize.demo.names import poster_name
from featurize.demo.vocabulary import AIRLESS_MOODS, NO_WEATHER, NUMBERS, PALETTES, PLURALS, THEMES

SIZES: dict[str, tuple[tuple[int, int], ...]] = {
    "poster": ((600, 900), (480, 720), (400, 600), (450, 600)),
    "key art": ((880, 495), (640, 360), (720, 480), (640, 480)),
    "square": ((560, 560), (440, 440)),
}
"""Width and height in pixels of each kind of artwork."""

_SHOTS: tuple[dict[str, int], ...] = (
    {"still life": 5, "wide shot": 2},
    {"close-up": 4, "medium shot": 4, "full shot": 4, "wide shot": 3},
    {"close-up": 2, "medium shot": 4, "full shot": 4, "wide shot": 3},
    {"medium shot": 3, "full shot": 4, "wide shot": 3},
    {"full shot": 4, "wide shot": 2},
    {"full shot": 4, "wide shot": 2},
)
"""Weights of the shots for 0, 1, … 5 people: five faces do not fit a close-up."""


@dataclass(frozen=True)
class Scene:
    """One picture before it is drawn. Sizes are pixels."""

    theme: str
    mood: str
    setting: str
    people: tuple[str, ...]
    """The role of each person, most prominent first."""
    arrangement: str
    shot: str
    props: tuple[str, ...]
    palette: tuple[str, str]
    """Main colour and accent."""
    title_text: str | None
    kind: str
    layout: str
    """Where the weight of the picture lies: left, centre or right."""
    title_place: str
    """top, bottom or band (below the picture); without a title it says nothing."""
    framed: bool
    width: int
    height: int
    jitter: int
    """Seed of everything a description does not mention."""
    actors: tuple[Actor | None, ...] = ()
    """Who plays each of the people; None for an extra. Without any, all are extras."""

    @property
    def people_count(self) -> int:
        return len(self.people)

    @property
    def depicts(self) -> tuple[str, ...]:
        """Names of the actors whom a person can recognise, most prominent first.

        In a wide shot faces are too small for that, and in a full shot those in helmets.
        """
        hidden = {"wide shot": self.people, "full shot": ("astronaut", "knight")}.get(self.shot, ())
        played = zip(self.people, self.actors, strict=False)
        return tuple(actor.name for role, actor in played if actor and role not in hidden)


def pick(rng: np.random.Generator, weights: Mapping[str, int]) -> str:
    """One key, as often as its integer weight says."""
    at = int(rng.integers(sum(weights.values())))
    for word, weight in weights.items():
        at -= weight
        if at < 0:
            return word
    raise ValueError("no weights to pick from")


def sample_scene(
    rng: np.random.Generator, theme: str | None = None, title_text: str | None = None, kind: str | None = None
) -> Scene:
    """A random scene; `theme`, `title_text` and `kind` are drawn too unless given.

    `title_text` is printed on about three pictures in four, whether given or drawn.
    """
    theme = theme or list(THEMES)[int(rng.integers(len(THEMES)))]
    habits = THEMES[theme]
    setting = pick(rng, habits.settings)
    moods = dict(habits.moods)
    if setting in NO_WEATHER:
        moods = {mood: weight for mood, weight in moods.items() if mood in AIRLESS_MOODS}
    mood = pick(rng, moods)
    count = int(pick(rng, {str(n): weight for n, weight in enumerate(habits.people)}))
    shot = pick(rng, _SHOTS[count])
    people = tuple(pick(rng, habits.roles) for _ in range(count))
    many = 1 if shot in ("close-up", "still life") else 1 + int(rng.integers(2))
    props = tuple(str(prop) for prop in rng.permutation(habits.props)[:many])
    kind = kind or pick(rng, {"poster": 5, "key art": 3, "square": 2})
    width, height = SIZES[kind][int(rng.integers(len(SIZES[kind])))]
    name = title_text or poster_name(rng, theme)
    return Scene(
        theme=theme,
        mood=mood,
        setting=setting,
        people=people,
        arrangement=_arrangement(rng, theme, count),
        shot=shot,
        props=props,
        palette=PALETTES[mood][int(rng.integers(len(PALETTES[mood])))],
        title_text=name.upper() if rng.integers(4) else None,
        kind=kind,
        layout=pick(rng, {"left": 1, "centre": 2, "right": 1}),
        title_place=pick(rng, {"top": 2, "bottom": 4, "band": 2}),
        framed=not rng.integers(6),
        width=width,
        height=height,
        jitter=int(rng.integers(2**31)),
    )


_PLAYED_BY = {
    "astronaut": ("man", "woman"),
    "cowboy": ("man",),
    "detective": ("man",),
    "fighter": ("man",),
    "knight": ("man",),
    "man": ("man",),
    "woman": ("woman",),
}
"""Who can play a role. Children, painted clowns and hooded figures are extras: nobody would recognise them."""


def with_cast(rng: np.random.Generator, scene: Scene, cast: Sequence[Actor]) -> Scene:
    """The scene played by a cast; the more important an actor, the likelier, and nobody twice."""
    left = list(cast)
    chosen: list[Actor | None] = []
    for role in scene.people:
        fit = {str(at): 8 >> min(at, 3) for at, actor in enumerate(left) if actor.sex in _PLAYED_BY.get(role, ())}
        chosen.append(left.pop(int(pick(rng, fit))) if fit else None)
    return replace(scene, actors=tuple(chosen))


def _arrangement(rng: np.random.Generator, theme: str, count: int) -> str:
    if count < 2:
        return "alone" if count else "no people"
    if count > 2:
        return pick(rng, {"in a line": 1, "in a group": 1})
    close = theme in ("romance", "family", "drama")
    return pick(
        rng,
        {"side by side": 3, "facing each other": 3, "embracing": 4 if close else 0, "back to back": 1 if close else 3},
    )


def describe(scene: Scene) -> dict[str, Any]:
    """The true description in the fields of the `description` table (caption, subjects, people_count, mood, setting,
    composition, text_on_artwork, palette), plus theme."""
    return {
        "subjects": [*dict.fromkeys(scene.people), *scene.props],
        "people_count": scene.people_count,
        "mood": scene.mood,
        "setting": scene.setting,
        "composition": f"{scene.shot}, {scene.arrangement}",
        "text_on_artwork": scene.title_text,
        "palette": list(scene.palette),
        "theme": scene.theme,
        "caption": _caption(scene),
    }


def _caption(scene: Scene) -> str:
    props = " and ".join(_with_article(prop) for prop in scene.props)
    place = _PLACES.get(scene.setting, f"in a {scene.setting}")
    if not scene.people:
        return f"{_with_article(scene.mood).capitalize()} {scene.theme} {scene.shot} of {props} {place}."
    who = _who(scene.people)
    stance = "" if scene.arrangement == "alone" else f" {scene.arrangement}"
    return (
        f"{_with_article(scene.mood).capitalize()} {scene.theme} {scene.shot} of {who}{stance} {place}, with {props}."
    )


_PLACES = {
    "haunted house": "at a haunted house",
    "castle": "at a castle",
    "beach": "on a beach",
    "desert": "in the desert",
    "mountains": "in the mountains",
    "outer space": "in outer space",
    "snowfield": "on a snowfield",
    "spaceship": "aboard a spaceship",
}


def _who(people: tuple[str, ...]) -> str:
    """('man', 'man', 'child') to 'two men and one child'."""
    parts = []
    for role in dict.fromkeys(people):
        count = people.count(role)
        parts.append(f"{NUMBERS[count]} {role if count == 1 else PLURALS.get(role, role + 's')}")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
