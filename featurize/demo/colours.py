"""Colours by name, and what a mood does with them.

A picture is painted from two named colours. Each is a ramp of five tones, dark to light; a mood says which tones the
sky, the distance and the ground get and how much light falls on people. Everything is integer arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

Rgb = tuple[int, int, int]

RAMPS: dict[str, tuple[Rgb, Rgb, Rgb, Rgb, Rgb]] = {
    "black": ((6, 6, 10), (20, 20, 26), (42, 42, 50), (88, 88, 98), (156, 156, 166)),
    "blue": ((8, 20, 56), (20, 52, 122), (40, 102, 192), (110, 166, 228), (198, 224, 248)),
    "brown": ((40, 24, 16), (88, 54, 34), (142, 92, 56), (190, 144, 104), (230, 202, 170)),
    "gold": ((64, 44, 8), (146, 104, 18), (226, 172, 34), (248, 208, 90), (255, 240, 184)),
    "green": ((8, 34, 22), (20, 80, 46), (46, 138, 80), (120, 188, 118), (206, 234, 190)),
    "grey": ((26, 30, 36), (66, 72, 82), (116, 124, 134), (168, 176, 184), (222, 228, 232)),
    "orange": ((64, 24, 8), (148, 62, 12), (230, 114, 22), (248, 162, 72), (255, 216, 160)),
    "pink": ((70, 14, 48), (150, 36, 92), (226, 84, 142), (248, 150, 186), (255, 214, 228)),
    "purple": ((30, 12, 54), (72, 32, 114), (122, 66, 174), (170, 124, 212), (222, 200, 242)),
    "red": ((50, 6, 14), (124, 14, 26), (204, 32, 38), (236, 92, 80), (252, 178, 160)),
    "teal": ((4, 38, 46), (8, 84, 92), (18, 142, 148), (92, 196, 192), (190, 238, 230)),
    "white": ((150, 152, 156), (190, 192, 194), (222, 222, 220), (242, 242, 238), (254, 254, 252)),
}


@dataclass(frozen=True)
class Light:
    """What a mood does. Tones are ('m' main or 'a' accent, 0 dark … 4 light); shares are of 256."""

    sky: tuple[str, str, str]
    """Top, middle, horizon."""
    layers: tuple[str, str, str, str]
    """Far, middle and near background, ground."""
    lamp: str
    """Sun, moon, lit windows, the rim of light on people."""
    shade: int
    """How far people and things are pulled towards the darkest tone."""
    rim: int
    vignette: int
    tilt: int = 0
    """Degrees the whole picture leans."""


LIGHTS: dict[str, Light] = {
    "calm": Light(("m3", "m4", "a4"), ("m4", "m3", "m2", "m3"), "a4", 0, 60, 0),
    "epic": Light(("m1", "a2", "a4"), ("m2", "m1", "m0", "m1"), "a4", 70, 220, 90),
    "joyful": Light(("m2", "m3", "m4"), ("m3", "m2", "m1", "m2"), "a3", 0, 60, 0),
    "melancholy": Light(("m1", "m2", "m3"), ("m2", "m2", "m1", "m1"), "a3", 70, 40, 70),
    "menacing": Light(("m0", "a0", "a2"), ("a1", "a0", "m0", "m1"), "a2", 80, 220, 170),
    "mysterious": Light(("m0", "m1", "m2"), ("m2", "m1", "m0", "m0"), "a4", 90, 190, 120),
    "tender": Light(("m2", "a3", "a4"), ("m3", "m2", "m1", "m1"), "a4", 30, 200, 20),
    "tense": Light(("m0", "m1", "a2"), ("m1", "m0", "m0", "m1"), "a3", 50, 230, 110, 7),
}

SKINS: tuple[Rgb, ...] = ((246, 208, 180), (228, 180, 144), (196, 142, 104), (150, 100, 70), (104, 68, 48))
HAIRS: tuple[Rgb, ...] = ((34, 26, 26), (78, 48, 30), (128, 78, 40), (206, 162, 88), (168, 74, 36), (150, 150, 152))


def mix(first: Rgb, second: Rgb, share: int) -> Rgb:
    """`share` of 256 parts of the second colour, the rest of the first."""
    return (
        (first[0] * (256 - share) + second[0] * share) >> 8,
        (first[1] * (256 - share) + second[1] * share) >> 8,
        (first[2] * (256 - share) + second[2] * share) >> 8,
    )


class Look:
    """The paints of one picture."""

    def __init__(self, palette: tuple[str, str], mood: str) -> None:
        self.main = RAMPS[palette[0]]
        self.accent = RAMPS[palette[1]]
        self.mood = mood
        self.light = LIGHTS[mood]
        self.sky = tuple(self.tone(name) for name in self.light.sky)
        self.far, self.middle, self.near, self.ground = (self.tone(name) for name in self.light.layers)
        self.lamp = self.tone(self.light.lamp)
        self.ink = mix(self.main[0], (0, 0, 0), 96)
        self.paper = mix(self.accent[4], (255, 255, 255), 128)
        self.dark = mood in ("menacing", "mysterious", "tense")

    def tone(self, name: str) -> Rgb:
        """The paint of a name such as 'm3' or 'a0'."""
        return (self.main if name[0] == "m" else self.accent)[int(name[1])]

    def skin(self, colour: Rgb) -> Rgb:
        """As `lit`, but people stay recognisable: less of the picture's colour, less shade."""
        return mix(mix(colour, self.main[2], 24), self.ink, self.light.shade * 3 // 4)

    def lit(self, colour: Rgb) -> Rgb:
        """A thing's own colour in this picture's light: drawn to the main colour, and darker where it is dark."""
        return mix(mix(colour, self.main[2], 44), self.ink, self.light.shade)
