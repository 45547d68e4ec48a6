"""Every prop by its name, and how it takes its place in a picture."""

from __future__ import annotations

from collections.abc import Callable

from featurize.demo import creatures, machines, objects
from featurize.demo.canvas import Pen
from featurize.demo.colours import Look

Draw = Callable[[Pen, Look], None]

PROPS: dict[str, Draw] = {
    "balloon": machines.balloon,
    "banana": objects.banana,
    "bat": creatures.bat,
    "cactus": creatures.cactus,
    "cake": objects.cake,
    "car": machines.car,
    "cowboy hat": objects.cowboy_hat,
    "crown": objects.crown,
    "crystal ball": objects.crystal_ball,
    "dog": creatures.dog,
    "dragon": creatures.dragon,
    "explosion": machines.explosion,
    "fingerprint": objects.fingerprint,
    "flying saucer": machines.flying_saucer,
    "heart": objects.heart,
    "helicopter": machines.helicopter,
    "horse": creatures.horse,
    "key": objects.key,
    "kite": machines.kite,
    "knife": objects.knife,
    "lantern": objects.lantern,
    "letter": objects.letter,
    "magnifying glass": objects.magnifying_glass,
    "parachute": machines.parachute,
    "party hat": objects.party_hat,
    "pumpkin": creatures.pumpkin,
    "ray gun": objects.ray_gun,
    "ring": objects.ring,
    "rocket": machines.rocket,
    "rose": creatures.rose,
    "rubber duck": creatures.rubber_duck,
    "satellite": machines.satellite,
    "sheriff star": objects.sheriff_star,
    "skull": creatures.skull,
    "suitcase": objects.suitcase,
    "sword": objects.sword,
    "teddy bear": creatures.teddy_bear,
    "umbrella": objects.umbrella,
    "violin": objects.violin,
    "wine glass": objects.wine_glass,
}

AIRBORNE = frozenset(
    ("balloon", "bat", "dragon", "explosion", "flying saucer", "heart", "helicopter", "kite", "parachute", "rocket", "satellite")
)
"""These hang in the sky; the others stand in the foreground."""
