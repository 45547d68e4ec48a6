"""The words of the demo world, and which of them go together.

A scene is made of these words and nothing else, so they are also every word a true description can hold. The weights
say how often a theme comes with a setting, mood, role or number of people; none of them is exclusive except the props:
each prop belongs to one theme, which is what lets a person tell the themes apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Weights = Mapping[str, int]


@dataclass(frozen=True)
class Theme:
    """How often a theme comes with what; larger is more often."""

    settings: Weights
    moods: Weights
    roles: Weights
    people: tuple[int, int, int, int, int, int]
    """Weights of 0, 1, … 5 people."""
    props: tuple[str, ...]


THEMES: dict[str, Theme] = {
    "romance": Theme(
        {"beach": 4, "city": 3, "meadow": 3, "living room": 2, "castle": 1, "snowfield": 1, "forest": 1},
        {"tender": 6, "joyful": 2, "melancholy": 2, "calm": 2, "mysterious": 1},
        {"woman": 5, "man": 5},
        (2, 3, 10, 1, 0, 0),
        ("heart", "rose", "ring", "wine glass"),
    ),
    "action": Theme(
        {"city": 5, "desert": 3, "mountains": 2, "snowfield": 2, "forest": 1, "beach": 1, "castle": 1},
        {"tense": 6, "epic": 4, "menacing": 2, "mysterious": 1},
        {"fighter": 6, "man": 2, "woman": 2},
        (2, 7, 4, 3, 1, 1),
        ("car", "helicopter", "explosion", "parachute"),
    ),
    "horror": Theme(
        {"haunted house": 6, "forest": 4, "living room": 2, "castle": 2, "snowfield": 1, "spaceship": 1},
        {"menacing": 7, "mysterious": 3, "tense": 3, "melancholy": 1},
        {"hooded figure": 6, "woman": 2, "man": 1, "child": 1},
        (3, 7, 3, 1, 1, 0),
        ("knife", "skull", "bat", "pumpkin"),
    ),
    "comedy": Theme(
        {"city": 3, "living room": 4, "beach": 3, "meadow": 2, "castle": 1, "desert": 1, "snowfield": 1},
        {"joyful": 8, "tender": 1, "calm": 2, "tense": 1, "melancholy": 1},
        {"clown": 4, "man": 4, "woman": 4},
        (2, 5, 5, 3, 2, 1),
        ("banana", "rubber duck", "party hat", "cake"),
    ),
    "science fiction": Theme(
        {"outer space": 5, "spaceship": 5, "desert": 2, "city": 2, "mountains": 1, "snowfield": 1},
        {"epic": 4, "mysterious": 4, "tense": 3, "menacing": 2, "calm": 2, "melancholy": 1},
        {"astronaut": 8, "man": 1, "woman": 1},
        (3, 7, 3, 2, 1, 1),
        ("rocket", "flying saucer", "satellite", "ray gun"),
    ),
    "drama": Theme(
        {"living room": 5, "city": 3, "beach": 2, "snowfield": 2, "meadow": 2, "forest": 1, "mountains": 1},
        {"melancholy": 6, "calm": 3, "tender": 2, "tense": 2, "mysterious": 1},
        {"woman": 5, "man": 5, "child": 2},
        (3, 6, 5, 2, 1, 0),
        ("letter", "umbrella", "suitcase", "violin"),
    ),
    "family": Theme(
        {"meadow": 4, "living room": 4, "beach": 3, "forest": 2, "snowfield": 2, "city": 1, "mountains": 1},
        {"joyful": 5, "tender": 4, "calm": 4, "epic": 1},
        {"child": 6, "woman": 3, "man": 3},
        (1, 2, 4, 5, 4, 3),
        ("dog", "balloon", "kite", "teddy bear"),
    ),
    "western": Theme(
        {"desert": 9, "mountains": 3, "meadow": 2, "snowfield": 1},
        {"epic": 4, "tense": 4, "calm": 3, "melancholy": 2, "menacing": 1},
        {"cowboy": 9, "woman": 1},
        (2, 7, 4, 3, 1, 1),
        ("horse", "cactus", "cowboy hat", "sheriff star"),
    ),
    "fantasy": Theme(
        {"castle": 6, "mountains": 4, "forest": 4, "meadow": 1, "snowfield": 2},
        {"epic": 6, "mysterious": 4, "calm": 2, "menacing": 2, "joyful": 1},
        {"knight": 8, "woman": 2, "child": 1},
        (2, 7, 4, 2, 1, 1),
        ("sword", "dragon", "crown", "crystal ball"),
    ),
    "mystery": Theme(
        {"city": 5, "haunted house": 3, "living room": 3, "forest": 2, "castle": 1, "beach": 1},
        {"mysterious": 7, "tense": 3, "menacing": 2, "melancholy": 2},
        {"detective": 8, "woman": 2, "man": 1},
        (3, 7, 3, 2, 1, 0),
        ("magnifying glass", "key", "lantern", "fingerprint"),
    ),
}

SETTINGS = (
    "beach",
    "castle",
    "city",
    "desert",
    "forest",
    "haunted house",
    "living room",
    "meadow",
    "mountains",
    "outer space",
    "snowfield",
    "spaceship",
)
NO_WEATHER = ("outer space", "spaceship")
"""Where there is neither rain nor a blue sky: joyful, tender and melancholy have nothing to show themselves by."""

MOODS = ("calm", "epic", "joyful", "melancholy", "menacing", "mysterious", "tender", "tense")
AIRLESS_MOODS = ("calm", "epic", "menacing", "mysterious", "tense")

PALETTES: dict[str, tuple[tuple[str, str], ...]] = {
    "calm": (("teal", "white"), ("blue", "white"), ("green", "white"), ("pink", "white"), ("brown", "white")),
    "epic": (("brown", "gold"), ("blue", "orange"), ("red", "gold"), ("purple", "orange"), ("teal", "gold")),
    "joyful": (("blue", "gold"), ("pink", "gold"), ("green", "gold"), ("teal", "orange"), ("orange", "white")),
    "melancholy": (("grey", "blue"), ("teal", "grey"), ("purple", "grey"), ("brown", "grey"), ("blue", "grey")),
    "menacing": (("black", "red"), ("black", "green"), ("purple", "red"), ("grey", "red"), ("black", "purple")),
    "mysterious": (("teal", "gold"), ("blue", "purple"), ("green", "gold"), ("purple", "teal"), ("black", "teal")),
    "tender": (("pink", "orange"), ("purple", "pink"), ("orange", "pink"), ("red", "pink"), ("blue", "pink")),
    "tense": (("black", "orange"), ("blue", "orange"), ("grey", "red"), ("teal", "red"), ("purple", "gold")),
}
"""(main colour, accent) a mood may have; several are shared, so the colours alone do not give the mood away."""

ROLES = ("astronaut", "child", "clown", "cowboy", "detective", "fighter", "hooded figure", "knight", "man", "woman")
PLURALS = {"child": "children", "man": "men", "woman": "women"}
SHOTS = ("close-up", "full shot", "medium shot", "still life", "wide shot")
ARRANGEMENTS = (
    "no people",
    "alone",
    "side by side",
    "facing each other",
    "embracing",
    "back to back",
    "in a line",
    "in a group",
)
NUMBERS = ("no", "one", "two", "three", "four", "five")


def theme_of(prop: str) -> str:
    """The one theme a prop belongs to."""
    return next(name for name, theme in THEMES.items() if prop in theme.props)
