"""The sky and the weather: how a mood shows before anybody is drawn.

`backdrop` is what lies behind everything, `weather` what falls in front of it. calm: pale sun, thin clouds, birds;
epic: rays from the horizon; joyful: high sun, round clouds, confetti; melancholy: clouds and rain; menacing: a large
low moon, ground fog and crooked branches; mysterious: a full moon and banks of mist; tender: a low sun and soft lights;
tense: lightning, and the whole picture leans.
"""

from __future__ import annotations

from random import Random

import numpy as np
from PIL import Image

from featurize.demo.canvas import Pen
from featurize.demo.colours import Look, Rgb, mix

SPREAD = 260.0
"""Units drawn beyond each edge, so that a leaning picture has no gaps."""


def gradient(size: tuple[int, int], share: float, stops: tuple[Rgb, ...]) -> Image.Image:
    """An image of `size` pixels: a gradient through even stops down to `share` of the height, then the last."""
    last = len(stops) - 1
    at = np.minimum(np.arange(size[1], dtype=np.int64) * last * 256 // max(int(size[1] * share), 1), last * 256)
    lower = np.minimum(at >> 8, last - 1)
    part = (at - (lower << 8))[:, None]
    colours = np.array(stops, dtype=np.int64)
    column = (colours[lower] * (256 - part) + colours[lower + 1] * part) >> 8
    return Image.fromarray(column.astype(np.uint8)[:, None, :]).resize(size, Image.Resampling.NEAREST)


def backdrop(pen: Pen, width: float, horizon: float, look: Look, dice: Random, x: float | None = None) -> None:
    """Clouds, and sun, moon or lightning at `x` (drawn unless given), down to the horizon; all lengths in units."""
    mood, lamp = look.mood, look.lamp
    if x is None:
        amid = mood in ("epic", "tender")
        x = width * dice.choice((0.36, 0.5, 0.64) if amid else (0.2, 0.28, 0.72, 0.8))
    if mood == "joyful":
        y = horizon * 0.24
        for turn in range(0, 360, 30):
            pen.at(x, y, turn=turn + 5).polygon(((-13, -130), (13, -130), (3, -210), (-3, -210)), (*lamp, 190))
        pen.oval(x, y, 105, 105, lamp)
        pen.oval(x, y, 88, 88, mix(lamp, (255, 255, 255), 120))
        for _ in range(4):
            _cloud(
                pen.at(width * dice.random(), horizon * (0.1 + 0.55 * dice.random()), 0.8 + dice.random()), look.paper
            )
    elif mood == "tender":
        for radius, alpha in ((330, 50), (270, 70), (210, 255)):
            pen.oval(x, horizon - 90, radius, radius, (*mix(lamp, (255, 250, 230), 90), alpha))
        _streaks(pen, width, horizon, mix(look.main[3], look.paper, 90), dice)
    elif mood == "menacing":
        _moon(pen.at(x, horizon * 0.36), 190, mix(look.accent[2], look.ink, 20), mix(look.accent[1], look.ink, 40))
        for _ in range(5):
            at = pen.at(width * dice.random(), horizon * (0.1 + 0.7 * dice.random()), 1.2 + dice.random())
            _bank(at, mix(look.main[0], look.accent[0], 110))
    elif mood == "melancholy":
        for row in range(3):
            for column in range(6):
                at = pen.at(width * (column + dice.random()) / 5 - 60, horizon * (0.04 + 0.15 * row), 1.9)
                _cloud(at, mix(look.main[1], look.accent[2], 50 + 50 * row))
    elif mood == "tense":
        for _ in range(7):
            at = pen.at(width * dice.random(), horizon * 0.3 * dice.random(), 2)
            _cloud(at, mix(look.main[0], look.main[1], 120))
        _lightning(pen, x, horizon, look.paper, dice)
    elif mood == "mysterious":
        y = horizon * 0.3
        for radius, alpha in ((300, 28), (230, 38), (170, 60)):
            pen.oval(x, y, radius, radius, (*lamp, alpha))
        _moon(pen.at(x, y), 120, mix(lamp, (255, 255, 255), 100), mix(lamp, look.main[2], 90))
        for row in range(3):
            _mist(pen, width, horizon * (0.45 + 0.2 * row), 70, (*look.main[2], 80), dice)
    elif mood == "epic":
        for turn in range(-90, 91, 12):
            ray = pen.at(x, horizon, turn=turn + dice.randrange(4))
            ray.polygon(((-8, 0), (8, 0), (80, -2200), (-80, -2200)), (*look.paper, 62))
        pen.oval(x, horizon, 250, 250, (*look.paper, 120))
        pen.oval(x, horizon, 190, 190, look.paper)
        for side in (-1, 1):
            for step in range(4):
                at = pen.at(
                    width / 2 + side * width * (0.2 + 0.12 * step), horizon * (0.75 - 0.17 * step), 1.1 + 0.3 * step
                )
                _cloud(at, mix(look.accent[3], look.main[2], 60 + 40 * step))
    elif mood == "calm":
        pen.oval(x, horizon * 0.35, 110, 110, (*look.paper, 130))
        pen.oval(x, horizon * 0.35, 88, 88, look.paper)
        _streaks(pen, width, horizon, look.paper, dice)
        for _ in range(4):
            _bird(pen.at(width * (0.15 + 0.7 * dice.random()), horizon * (0.15 + 0.4 * dice.random())), look.main[1])


def rays(pen: Pen, x: float, y: float, colour: Rgb, dice: Random) -> None:
    """A burst of light behind whoever stands at (x, y)."""
    for turn in range(0, 360, 20):
        ray = pen.at(x, y, turn=turn + dice.randrange(6))
        ray.polygon(((-6, 0), (6, 0), (110, -1900), (-110, -1900)), (*colour, 44))


def weather(
    image: Image.Image, pen: Pen, width: float, height: float, look: Look, dice: Random, *, indoors: bool
) -> None:
    """What the mood lays over the finished picture; `pen` draws on `image`, which is `width` × `height` units."""
    mood = look.mood
    if mood == "joyful":
        paints = (look.accent[2], look.accent[3], look.paper, look.main[3], look.main[1])
        for i in range(int(width * height / 22000)):
            at = pen.at(width * dice.random(), height * dice.random() * 0.9, 1, turn=dice.randrange(180))
            at.box(-11, -5, 11, 5, paints[i % 5])
    elif mood == "tender":
        for _ in range(int(width * height / 50000)):
            radius = 16 + 44 * dice.random()
            x, y = width * dice.random(), height * (0.3 + 0.7 * dice.random())
            pen.oval(x, y, radius, radius, (*look.accent[4], 60))
            pen.oval(x, y, radius * 0.8, radius * 0.8, (*look.paper, 46))
    elif mood == "melancholy" and not indoors:
        rain(pen, width, height, look, dice)
    elif mood == "mysterious":
        _fog(image, look.main[3], (0, 0, 30, 90, 140, 120) if indoors else (0, 0, 20, 60, 110, 120), dice)
    elif mood == "menacing":
        _fog(image, mix(look.accent[2], look.main[0], 60), (0, 0, 0, 0, 60, 150), dice)
        if not indoors:
            for side in (False, True):
                _branch(pen.at(width if side else 0, height * 0.02 * dice.random(), 1, flip=side), look.ink, dice)


def rain(pen: Pen, width: float, height: float, look: Look, dice: Random) -> None:
    """Slanting drops from (0, 0) to (width, height)."""
    for _ in range(int(width * height / 7500)):
        x, y, long = width * dice.random() * 1.1, height * dice.random(), 40 + 46 * dice.random()
        slant = long * 0.22
        pen.polygon(((x, y), (x + 5.5, y), (x + 5.5 - slant, y + long), (x - slant, y + long)), (*look.paper, 120))


def _fog(image: Image.Image, colour: Rgb, rows: tuple[int, ...], dice: Random) -> None:
    """Soft fog as dense as `rows` say from top to bottom, of 255: a few random values, blown up."""
    spots = bytes(dense * dice.randrange(40, 100) // 100 for dense in rows for _ in range(6))
    mask = Image.frombytes("L", (6, len(rows)), spots).resize(image.size, Image.Resampling.BICUBIC)
    image.paste(colour, (0, 0), mask)


def _cloud(pen: Pen, fill: Rgb) -> None:
    for x, y, r in ((-70, 6, 38), (-28, -18, 54), (30, -12, 46), (74, 8, 32), (0, 14, 40)):
        pen.oval(x, y, r, r, fill)
    pen.box(-72, 10, 76, 42, fill)


def _bank(pen: Pen, fill: Rgb) -> None:
    pen.curve(((-160, 0), (-60, -22), (20, -10), (110, -26), (170, 0), (60, 16), (-50, 8)), fill)


def _streaks(pen: Pen, width: float, horizon: float, fill: Rgb, dice: Random) -> None:
    for _ in range(6):
        x, y, long = width * dice.random(), horizon * (0.12 + 0.7 * dice.random()), 120 + 200 * dice.random()
        pen.limb((x - long, y), (x + long, y), 10, 10, (*fill, 170))
        pen.limb((x - long * 0.4, y + 16), (x + long * 0.7, y + 16), 9, 9, (*fill, 150))


def _mist(pen: Pen, width: float, y: float, high: float, fill: tuple[int, int, int, int], dice: Random) -> None:
    low = -SPREAD
    top = [(low + (width + 2 * SPREAD) * i / 6, y + high * (dice.random() - 0.5)) for i in range(7)]
    pen.curve([*top, (width + SPREAD, y + high * 1.2), (width / 2, y + high * 1.6), (low, y + high * 1.2)], fill)


def _moon(pen: Pen, radius: float, fill: Rgb, spots: Rgb) -> None:
    pen.oval(0, 0, radius, radius, fill)
    for x, y, r in ((-0.35, -0.2, 0.2), (0.3, 0.25, 0.26), (0.15, -0.45, 0.12), (-0.2, 0.45, 0.14)):
        pen.oval(x * radius, y * radius, r * radius, r * radius, mix(fill, spots, 110))


def _lightning(pen: Pen, x: float, horizon: float, fill: Rgb, dice: Random) -> None:
    path, y = [(x, -60.0)], -60.0
    while y < horizon:
        y += horizon * 0.16
        x += 120 * (dice.random() - 0.5) + (30 if len(path) % 2 else -30)
        path.append((x, y))
    for width, alpha in ((34, 70), (12, 255)):
        pen.line(path, width, (*fill, alpha) if alpha < 255 else fill)
    fork = path[2]
    pen.line((fork, (fork[0] + 90, fork[1] + 90), (fork[0] + 70, fork[1] + 200)), 8, fill)


def _bird(pen: Pen, fill: Rgb) -> None:
    pen.line(((-26, -12), (-10, -16), (0, 0), (10, -16), (26, -12)), 5, fill)


def _branch(pen: Pen, fill: Rgb, dice: Random) -> None:
    pen.line(((-20, -10), (110, 40), (220, 26), (330, 74)), 17, fill)
    for x, y, turn in ((90, 34, 60), (160, 36, 110), (220, 28, 70), (280, 52, 120)):
        twig = pen.at(x, y, 0.6 + 0.5 * dice.random(), turn=turn - 40)
        twig.line(((0, 0), (60, 14), (110, -10)), 8, fill)
        twig.line(((60, 14), (90, 50)), 6, fill)
