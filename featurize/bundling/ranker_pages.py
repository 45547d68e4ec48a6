"""What the bundled ranker reads: a member, a title and its artworks, as facts and as text.

The facts are drawn from worlds that nobody renders, in many mixtures: the scenes of a world as they are, and scenes
whose traits are shuffled among them, so that none can be guessed from another. Nothing here knows what a member would
choose.

Invariant: page `n` of a stream is a function of (stream, n, easy) alone.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from featurize.demo.scenes import Scene, describe
from featurize.demo.titles import Title, titles
from featurize.demo.vocabulary import THEMES

TRAINING, HELD_OUT = 1_000, 0
"""First world seed of a stream. Held-out pages are about the world that people use, which has the seed 0."""
_TITLES = 200
"""Titles of a world that is read about."""
_PAGES = 128
"""Pages in a row about one world."""
_WORLDS = 32
_PEOPLE = 5
_SHUFFLED = ("mood", "setting", "shot", "palette", "theme", "props")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DEVICES = ("phone", "tablet", "television", "web", "laptop")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COUNTRIES = {
    "Brazil": "Portuguese",
    "France": "French",
    "Germany": "German",
    "India": "Hindi",
    "Japan": "Japanese",
    "Mexico": "Spanish",
    "Poland": "Polish",
    "the United States": "English",
    "BR": "pt",
    "DE": "de",
    "FR": "fr",
    "GB": "en",
    "IN": "hi",
    "JP": "ja",
    "MX": "es",
    "US": "en",
}
_ONSETS = tuple("b c d f g h j k l m n p r s t v w z br ch cl dr fr gr kr pr sh st th tr".split(" "))  # noqa: SIM905
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ei", "ia", "io"]
_CODAS = ["", "", "", "l", "m", "n", "r", "s", "t", "ck", "nd", "rt"]


@dataclass(frozen=True)
class Shown:
    """A candidate. `before` is how often it was shown to this member, `days` ago for the last time.

    `traits` are what may be told of it, by name; what it lacks is left out.
    """

    letter: str
    scene: Scene
    traits: dict[str, str]
    depicts: tuple[str, ...] = ()
    before: int = 0
    days: int = 0
    played: bool = False


@dataclass(frozen=True)
class Watched:
    """What the member did with a title, the last time `hours` ago."""

    name: str
    genres: tuple[str, ...]
    cast: tuple[str, ...]
    event: str
    times: int
    minutes: int
    hours: int


@dataclass(frozen=True)
class Page:
    """All that may be said. `watched` has the most recent first; counts are of all plays, larger first.

    `people` are the few watched most, `seen` all who were watched, `played` all genres. `own` is what the member did
    with this very title: event, minutes, hours ago.
    """

    name: str
    year: int
    genres: tuple[str, ...]
    synopsis: str
    cast: tuple[str, ...]
    watched: tuple[Watched, ...]
    plays: tuple[tuple[str, int], ...]
    people: tuple[tuple[str, int], ...]
    seen: dict[str, int]
    played: dict[str, int]
    own: tuple[tuple[str, int, int], ...]
    candidates: tuple[Shown, ...]
    now: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """The text of a page, and the page as it is told. `told` names what is said, in the words of `ranker_questions`."""

    style: str
    read: Page
    system: str
    text: str
    told: frozenset[str]


def person(dice: Random) -> str:
    """An invented name such as 'Brea Stolund'."""

    def syllable() -> str:
        return dice.choice(_ONSETS) + dice.choice(_VOWELS) + dice.choice(_CODAS)

    first = syllable() + (syllable() if dice.random() < 0.6 else "")
    return f"{first.capitalize()} {(syllable() + syllable()).capitalize()}"


@dataclass(frozen=True)
class World:
    """Titles to read about, with a cast each."""

    titles: tuple[Title, ...]
    casts: tuple[tuple[str, ...], ...]
    by_theme: dict[str, tuple[int, ...]]
    by_actor: dict[str, tuple[int, ...]]
    depicted: dict[str, tuple[str, ...]]


@lru_cache(maxsize=_WORLDS)
def world(seed: int) -> World:
    """The titles of the world of this seed."""
    dice = Random(f"casts {seed}")
    made = tuple(titles(_TITLES, seed))
    names = {actor.name: actor.name for title in made for actor in title.cast}
    if seed % 2:  # other names than those of the worlds: the ranker is to read names, not to know them
        names = {name: person(dice) for name in names}
    casts = tuple(tuple(names[actor.name] for actor in title.cast) for title in made)
    actors = list(dict.fromkeys(name for cast in casts for name in cast))
    depicted = {
        artwork.artwork_id: tuple(names[name] for name in artwork.scene.depicts)
        for title in made
        for artwork in title.artworks
    }
    return World(
        made,
        casts,
        {theme: tuple(n for n, title in enumerate(made) if theme in title.themes) for theme in THEMES},
        {actor: tuple(n for n, cast in enumerate(casts) if actor in cast) for actor in actors},
        depicted,
    )


def dice_of(stream: int, number: int) -> Random:
    """The random stream of a page, and of what is said about it."""
    return Random(f"{stream} {number}")


def page(stream: int, number: int, dice: Random, easy: bool = False) -> Page:
    """A page; an easy one has little on it."""
    here = world(stream + (number // _PAGES) % _WORLDS if stream else stream)
    chosen = dice.randrange(len(here.titles))
    title = here.titles[chosen]
    watched, plays, people = _history(here, dice, 4 if easy else 40, chosen, dice.random() < 0.2)
    return Page(
        name=title.name,
        year=title.year,
        genres=title.themes,
        synopsis=title.synopsis,
        cast=here.casts[chosen],
        watched=watched,
        plays=plays,
        people=tuple(each for each in people if each[1] >= 2)[:_PEOPLE],
        seen=dict(people),
        played=dict(plays),
        own=tuple((each.event, each.minutes, each.hours) for each in watched if each.name == title.name),
        candidates=_candidates(here, title, chosen, dice, easy),
        now=_now(dice) if dice.random() < 0.6 else {},
    )


def _now(dice: Random) -> dict[str, str]:
    country = dice.choice(list(COUNTRIES))
    return {
        "day": dice.choice(WEEKDAYS),
        "time": f"{dice.randrange(24):02d}:{dice.randrange(60):02d}",
        "device": dice.choice(DEVICES),
        "country": country,
        "language": COUNTRIES[country] if dice.random() < 0.8 else dice.choice(list(COUNTRIES.values())),
    }


def _history(
    here: World, dice: Random, most: int, chosen: int, own: bool
) -> tuple[tuple[Watched, ...], tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    count = 0 if dice.random() < 0.04 else dice.randint(1, most)
    themes = list(THEMES)
    tastes = [dice.random() ** 4 + 0.01 for _ in themes]
    liked = dice.sample(list(here.by_actor), 2)
    times: Counter[int] = Counter()
    for _ in range(count):
        pool = here.by_actor[dice.choice(liked)] if dice.random() < 0.3 else ()
        times[dice.choice(pool or here.by_theme[dice.choices(themes, tastes)[0]])] += 1
    # What is told of the title itself is told event by event: there is one, or none.
    times.pop(chosen, None)
    if own:
        times[chosen] = 1
    order = dice.sample(list(times), len(times))
    watched, genres, people = [], Counter[str](), Counter[str]()
    hours = dice.randint(1, 200)
    for number in order:
        count = times[number]
        title, cast = here.titles[number], here.casts[number]
        event = "play" if dice.random() < 0.8 else dice.choice(("thumbs_up", "thumbs_down", "list_add"))
        minutes = min(dice.randint(1, 120), 60 * hours - 1)  # it has ended
        watched.append(Watched(title.name, title.themes, cast, event, count, minutes, hours))
        hours += dice.randint(1, 24 * dice.choice((1, 3, 10)))
        if event == "play":
            genres.update(dict.fromkeys(title.themes, count))
            people.update(dict.fromkeys(cast, count))
    of_one = dice.choice((1, 1, 2, 5, 10))  # plays for each that is told: long histories have large counts
    for counts in (genres, people):
        for name in counts:
            counts[name] = counts[name] * of_one + dice.randrange(of_one)
    return tuple(watched), _ranked(genres), _ranked(people)


def _ranked(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _candidates(here: World, title: Title, chosen: int, dice: Random, easy: bool) -> tuple[Shown, ...]:
    artworks = list(title.artworks)
    shuffled = dice.random() < 0.5
    if shuffled or dice.random() < 0.5:  # of any titles: they differ more than those of one
        count = dice.choice((2, 2, 3) if easy else (2, 3, 3, 4, 4, 5, 5, 6, 7, 8))
        artworks = [dice.choice(dice.choice(here.titles).artworks) for _ in range(count)]
    scenes = [artwork.scene for artwork in artworks]
    depicts = [here.depicted[artwork.artwork_id] for artwork in artworks]
    if shuffled:
        scenes = [
            dataclasses.replace(
                scene,
                **{trait: getattr(dice.choice(dice.choice(here.titles).artworks).scene, trait) for trait in _SHUFFLED},
            )
            for scene in scenes
        ]
        depicts = [tuple(dice.sample(here.casts[chosen], dice.choice((0, 1, 1, 2)))) for _ in scenes]
    order = dice.sample(range(len(scenes)), len(scenes))
    made = []
    for letter, place in zip(LETTERS, order, strict=False):
        before = dice.choice((0, 0, 0, 1, 2, 3, 4))
        made.append(
            Shown(
                letter, scenes[place], _traits(scenes[place], depicts[place]), depicts[place],
                before, dice.randint(1, 40) if before else 0, bool(before) and dice.random() < 0.3,
            )
        )  # fmt: skip
    return tuple(made)


def _traits(scene: Scene, depicts: tuple[str, ...]) -> dict[str, str]:
    truth = describe(scene)
    found = {
        "genre": truth["theme"],
        "mood": truth["mood"],
        "setting": truth["setting"],
        "shot": scene.shot,
        "people": str(truth["people_count"]),
        "arrangement": scene.arrangement,
        "subjects": ", ".join(truth["subjects"]),
        "colours": " and ".join(truth["palette"]),
        "caption": truth["caption"],
    }
    if truth["text_on_artwork"]:
        found["words"] = truth["text_on_artwork"]
    if depicts:
        found["depicts"] = ", ".join(depicts)
    return found


def unique(values: Sequence[str]) -> list[str]:
    """Those that occur once."""
    return [value for value, count in Counter(values).items() if count == 1]
