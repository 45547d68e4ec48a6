"""Every prop by its name, how much room it takes, and whether it hangs in the air."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from featurize.demo import creatures, machines, objects
from featurize.demo.canvas import Pen
from featurize.demo.colours import Look


@dataclass(frozen=True)
class Prop:
    """`draw` paints around the origin, inside `box` (left, top, right, bottom). Unless airborne it stands in front."""

    draw: Callable[[Pen, Look], None]
    box: tuple[int, int, int, int]
    airborne: bool = False


PROPS: dict[str, Prop] = {
    "balloon": Prop(machines.balloon, (-48, -63, 48, 61), airborne=True),
    "banana": Prop(objects.banana, (-52, -52, 62, 37)),
    "bat": Prop(creatures.bat, (-80, -36, 80, 22), airborne=True),
    "cactus": Prop(creatures.cactus, (-44, -69, 44, 73)),
    "cake": Prop(objects.cake, (-60, -70, 60, 57)),
    "car": Prop(machines.car, (-62, -30, 65, 32)),
    "cowboy hat": Prop(objects.cowboy_hat, (-72, -48, 72, 48)),
    "crown": Prop(objects.crown, (-66, -58, 66, 42)),
    "crystal ball": Prop(objects.crystal_ball, (-46, -56, 46, 58)),
    "dog": Prop(creatures.dog, (-61, -59, 49, 60)),
    "dragon": Prop(creatures.dragon, (-86, -72, 82, 61), airborne=True),
    "explosion": Prop(machines.explosion, (-62, -54, 62, 54), airborne=True),
    "fingerprint": Prop(objects.fingerprint, (-50, -60, 50, 62)),
    "flying saucer": Prop(machines.flying_saucer, (-64, -37, 65, 66), airborne=True),
    "heart": Prop(objects.heart, (-55, -46, 55, 55), airborne=True),
    "helicopter": Prop(machines.helicopter, (-70, -42, 75, 35), airborne=True),
    "horse": Prop(creatures.horse, (-65, -74, 77, 65)),
    "key": Prop(objects.key, (-45, -60, 54, 66)),
    "kite": Prop(machines.kite, (-39, -58, 57, 76), airborne=True),
    "knife": Prop(objects.knife, (-43, -57, 42, 58)),
    "lantern": Prop(objects.lantern, (-45, -68, 45, 72)),
    "letter": Prop(objects.letter, (-62, -45, 61, 46)),
    "magnifying glass": Prop(objects.magnifying_glass, (-52, -54, 52, 61)),
    "parachute": Prop(machines.parachute, (-57, -50, 57, 58), airborne=True),
    "party hat": Prop(objects.party_hat, (-43, -71, 43, 53)),
    "pumpkin": Prop(creatures.pumpkin, (-54, -44, 55, 52)),
    "ray gun": Prop(objects.ray_gun, (-50, -35, 72, 46)),
    "ring": Prop(objects.ring, (-39, -52, 40, 60)),
    "rocket": Prop(machines.rocket, (-33, -66, 57, 92), airborne=True),
    "rose": Prop(creatures.rose, (-38, -66, 40, 61)),
    "rubber duck": Prop(creatures.rubber_duck, (-57, -52, 72, 52)),
    "satellite": Prop(machines.satellite, (-72, -50, 72, 56), airborne=True),
    "sheriff star": Prop(objects.sheriff_star, (-54, -61, 54, 62)),
    "skull": Prop(creatures.skull, (-46, -62, 47, 42)),
    "suitcase": Prop(objects.suitcase, (-54, -52, 55, 46)),
    "sword": Prop(objects.sword, (-41, -69, 40, 60)),
    "teddy bear": Prop(creatures.teddy_bear, (-53, -68, 54, 62)),
    "umbrella": Prop(objects.umbrella, (-62, -67, 62, 60)),
    "violin": Prop(objects.violin, (-44, -77, 51, 65)),
    "wine glass": Prop(objects.wine_glass, (-55, -60, 57, 52)),
}
"""The boxes are measured, and a test measures them again."""


def draw_prop(pen: Pen, name: str, left: float, top: float, size: float, look: Look) -> None:
    """The prop as large as fits a square of `size` units: standing on its lower edge, or amid it when airborne."""
    prop = PROPS[name]
    x0, y0, x1, y1 = prop.box
    scale = size / max(x1 - x0, y1 - y0)
    x = left + size / 2 - scale * (x0 + x1) / 2
    y = top + size / 2 - scale * (y0 + y1) / 2 if prop.airborne else top + size - scale * y1
    prop.draw(pen.at(x, y, scale), look)
