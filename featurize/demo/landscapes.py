"""Settings in the open country, painted from far to near on top of the sky.

Each function takes a pen, the picture's width and height and the height of the horizon (units), the paints and dice.
Whatever tells the setting apart stands left and right as well as in the middle, so that it shows behind a close-up.
"""

from __future__ import annotations

from random import Random

from featurize.demo.canvas import Pen
from featurize.demo.colours import Look, Rgb, mix
from featurize.demo.sky import SPREAD


def mountains(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    snow = mix(look.paper, look.sky[1], 50)
    for colour, tall, count in ((look.far, 0.72, 3), (look.middle, 0.5, 4)):
        for i in range(count + 1):
            x = width * (i + 0.5 * dice.random()) / count - 40
            peak = horizon - horizon * tall * (0.65 + 0.35 * dice.random())
            half = width / count * 0.85 + 120
            pen.polygon(((x - half, horizon + 60), (x, peak), (x + half, horizon + 60)), colour)
            pen.polygon(
                (
                    (x, peak),
                    (x + half, horizon + 60),
                    (x + half * 0.25, horizon + 60),
                    (x + half * 0.1, peak + (horizon - peak) * 0.4),
                ),
                mix(colour, look.ink, 60),
            )
            d = (horizon - peak) * 0.3
            s = half * 0.3 * horizon / (horizon + 60)
            pen.polygon(
                (
                    (x, peak),
                    (x + s, peak + d),
                    (x + s * 0.5, peak + d * 0.8),
                    (x + s * 0.1, peak + d * 1.15),
                    (x - s * 0.4, peak + d * 0.75),
                    (x - s, peak + d),
                ),
                snow,
            )
    _ground(pen, width, height, horizon, look.ground, dice)
    x = -60.0
    while x < width + 60:
        _pine(pen.at(x, horizon + 40 + 40 * dice.random(), 0.7 + 0.5 * dice.random()), look.near)
        x += 60 + 90 * dice.random()


def _ground(
    pen: Pen, width: float, height: float, horizon: float, colour: Rgb, dice: Random, bumps: float = 26
) -> None:
    for step in range(3):
        y = horizon + (height - horizon) * step * 0.24
        top = [(-SPREAD + (width + 2 * SPREAD) * i / 5, y + bumps * (dice.random() - 0.5) * 2) for i in range(6)]
        shade = mix(colour, (0, 0, 0), 34 * step)
        pen.curve(
            [*top, (width + SPREAD, height + SPREAD), (width / 2, height + 2 * SPREAD), (-SPREAD, height + SPREAD)],
            shade,
        )


def _pine(pen: Pen, fill: Rgb, snow: Rgb | None = None) -> None:
    pen.box(-7, -20, 7, 10, fill)
    for y, w in ((-10, 58), (-60, 46), (-108, 32)):
        pen.polygon(((-w, y), (0, y - 82), (w, y)), fill)
        if snow:
            pen.polygon(
                ((-w * 0.55, y - 37), (0, y - 82), (w * 0.55, y - 37), (w * 0.2, y - 44), (-w * 0.1, y - 32)), snow
            )


def desert(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    for colour, tall in ((look.far, 0.3), (look.middle, 0.42)):
        for side in (0.1, 0.9, dice.choice((0.35, 0.6))):
            x, wide = width * side + 60 * (dice.random() - 0.5), 110 + 110 * dice.random()
            top = horizon - horizon * tall * (0.6 + 0.4 * dice.random())
            pen.polygon(
                (
                    (x - wide * 1.35, horizon + 30),
                    (x - wide, top + 60),
                    (x - wide * 0.92, top),
                    (x + wide * 0.9, top),
                    (x + wide, top + 50),
                    (x + wide * 1.3, horizon + 30),
                ),
                colour,
            )
            pen.polygon(
                (
                    (x + wide * 0.3, top),
                    (x + wide * 0.9, top),
                    (x + wide, top + 50),
                    (x + wide * 1.3, horizon + 30),
                    (x + wide * 0.5, horizon + 30),
                ),
                mix(colour, look.ink, 60),
            )
            for band in (0.3, 0.5):
                y = top + (horizon - top) * band
                pen.box(x - wide * 0.95, y, x + wide * 0.95, y + 8, mix(colour, look.ink, 40))
    sand = mix(look.ground, look.accent[3], 50)
    _ground(pen, width, height, horizon, sand, dice, 40)
    for _ in range(16):
        x, y = width * dice.random(), horizon + 60 + (height - horizon) * dice.random()
        pen.oval(x, y, 12 + 10 * dice.random(), 6, mix(sand, look.ink, 90))


def forest(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    for colour, wide, gap in ((look.far, 26, 70), (look.middle, 46, 130)):
        x = -SPREAD + gap * dice.random()
        while x < width + SPREAD:
            pen.polygon(
                ((x, -SPREAD), (x + wide, -SPREAD), (x + wide * 1.2, horizon + 80), (x - wide * 0.2, horizon + 80)),
                colour,
            )
            pen.limb(
                (x + wide / 2, horizon * 0.5),
                (x + wide / 2 + dice.choice((-90, 90)), horizon * 0.3),
                wide * 0.4,
                8,
                colour,
            )
            x += gap * (0.7 + 0.6 * dice.random())
    _ground(pen, width, height, horizon, look.ground, dice)
    leaf = look.near
    for x in (-40.0, width * 0.1, width * 0.92, width + 50):
        pen.polygon(
            (
                (x - 50, -SPREAD),
                (x + 50, -SPREAD),
                (x + 62, horizon + 90),
                (x + 110, horizon + 190),
                (x - 110, horizon + 190),
                (x - 62, horizon + 90),
            ),
            leaf,
        )
    for i in range(15):
        x = width * i / 14
        pen.oval(
            x,
            -10,
            95 + 60 * dice.random(),
            80 + 90 * dice.random() * abs(i - 7) / 4,
            mix(leaf, look.middle, 90 * (i % 2)),
        )
    for i in range(9):
        fern = pen.at(width * i / 8 + 40 * dice.random(), horizon + 150 + 60 * dice.random(), 0.9)
        for lean in (-70, -36, 0, 36, 70):
            fern.polygon(((-8, 0), (lean, -90 + abs(lean) * 0.5), (8, 0)), mix(leaf, look.accent[2], 40))


def beach(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    sea = mix(look.main[2], look.sky[1], 60) if not look.dark else look.main[1]
    pen.box(-SPREAD, horizon - 40, width + SPREAD, height + SPREAD, sea)
    for _ in range(30):
        x, y = width * dice.random(), horizon - 30 + 170 * dice.random()
        pen.limb(
            (x - 40, y),
            (x + 40 * dice.random(), y),
            5,
            5,
            mix(sea, look.lamp if dice.random() < 0.5 else look.paper, 130),
        )
    sail = pen.at(width * dice.choice((0.16, 0.84)), horizon - 36, 1.1)
    sail.polygon(((-50, 0), (50, 0), (34, 18), (-36, 18)), look.near)
    sail.polygon(((-4, -8), (-4, -120), (-44, -8)), look.paper)
    sail.polygon(((4, -8), (4, -96), (38, -8)), mix(look.paper, look.accent[3], 120))
    sand = mix(look.lit((236, 208, 156)), look.accent[3], 50)
    shore = horizon + (height - horizon) * 0.3
    edge = [(-SPREAD + (width + 2 * SPREAD) * i / 5, shore + 44 * (dice.random() - 0.5)) for i in range(6)]
    for lift, colour in ((-16, look.paper), (0, sand)):
        pen.curve(
            [
                *((x, y + lift) for x, y in edge),
                (width + SPREAD, height + SPREAD),
                (width / 2, height + 2 * SPREAD),
                (-SPREAD, height + SPREAD),
            ],
            colour,
        )
    for side in (True, False) if width > 1300 else (dice.random() < 0.5,):
        _palm(
            pen.at(width - 70 if side else 70, shore + 130, 1.15, flip=side),
            look.near if look.dark or look.mood == "tender" else look.main[0],
        )


def _palm(pen: Pen, fill: Rgb) -> None:
    pen.stroke(((-10, 0), (6, -200), (40, -400), (96, -560)), 30, fill)
    for x, y in ((-150, -30), (-120, 90), (-30, -110), (90, -100), (170, -10), (140, 100), (20, 130)):
        tip = (96 + x * 1.2, -560 + y)
        pen.curve(((96, -560), (96 + x * 0.5, -600 + y * 0.4), tip, (96 + x * 0.55, -545 + y * 0.6)), fill)
    pen.oval(96, -545, 26, 22, fill)


def meadow(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    for colour, lift in ((look.far, 0.24), (look.middle, 0.12)):
        x = width * dice.random()
        pen.curve(
            (
                (-SPREAD, horizon),
                (x * 0.5, horizon - horizon * lift),
                (width * 0.5, horizon - 20),
                (width * 0.5 + x * 0.5, horizon - horizon * lift * 0.9),
                (width + SPREAD, horizon),
                (width + SPREAD, height + SPREAD),
                (-SPREAD, height + SPREAD),
            ),
            colour,
        )
    grass = mix(look.ground, look.lit((96, 158, 74)), 110)
    for side in (0.14, 0.86):
        if (side < 0.5) == (dice.random() < 0.5):
            _barn(pen.at(width * side, horizon + 30, 1.15), look)
        else:
            tree = pen.at(width * side, horizon + 30, 1.1)
            tree.limb((0, 10), (0, -150), 30, 22, look.lit((92, 64, 44)))
            for x, y, r in ((-60, -190, 70), (60, -180, 72), (0, -260, 84), (0, -170, 70)):
                tree.oval(x, y, r, r, mix(grass, look.ink, 70))
    _ground(pen, width, height, horizon + 20, grass, dice)
    for i in range(int((width + 200) / 90)):
        pen.box(i * 90 - 100, horizon + 34, i * 90 - 86, horizon + 112, look.paper)
    for y in (52, 84):
        pen.box(-SPREAD, horizon + y, width + SPREAD, horizon + y + 9, look.paper)
    for i in range(44):
        flower = pen.at(width * dice.random(), horizon + 130 + (height - horizon) * dice.random())
        flower.oval(0, 0, 9, 9, (look.accent[2], look.paper, look.accent[3])[i % 3])
        flower.oval(0, 0, 3, 3, look.ink)


def _barn(pen: Pen, look: Look) -> None:
    wall = look.lit((176, 62, 50))
    pen.box(-110, -130, 110, 20, wall)
    pen.polygon(((-126, -126), (-80, -200), (0, -230), (80, -200), (126, -126)), mix(wall, look.ink, 110))
    pen.box(-40, -80, 40, 20, look.paper)
    pen.line(((-38, -78), (38, 18)), 7, wall)
    pen.line(((38, -78), (-38, 18)), 7, wall)
    pen.box(-18, -190, 18, -160, look.paper)


def snowfield(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    snow = mix((242, 246, 250), look.main[2], 40 + look.light.shade // 2)
    for colour, lift in ((mix(look.far, snow, 90), 0.3), (mix(look.middle, snow, 130), 0.16)):
        x = width * dice.random()
        pen.curve(
            (
                (-SPREAD, horizon),
                (x * 0.4, horizon - horizon * lift),
                (width * 0.5, horizon - 10),
                (width * 0.6 + x * 0.4, horizon - horizon * lift),
                (width + SPREAD, horizon),
                (width + SPREAD, height + SPREAD),
                (-SPREAD, height + SPREAD),
            ),
            colour,
        )
    for i in range(11):
        x = width * i / 10 + 50 * (dice.random() - 0.5)
        _pine(
            pen.at(x, horizon + 30, (0.8 + 0.9 * abs(i - 5) / 5) * (0.9 + 0.3 * dice.random())),
            mix(look.near, look.main[1], 90),
            snow,
        )
    cabin = pen.at(width * dice.choice((0.2, 0.8)), horizon + 56, 1.0)
    cabin.box(-90, -90, 90, 20, look.lit((104, 70, 48)))
    cabin.polygon(((-120, -80), (0, -180), (120, -80)), snow)
    cabin.box(-30, -66, 20, -20, mix(look.accent[3], (255, 214, 120), 128))
    _ground(pen, width, height, horizon + 26, snow, dice)
    for _ in range(int(width * height / 12000)):
        r = 5 + 6 * dice.random()
        pen.oval(width * dice.random(), height * dice.random(), r, r, (*mix(snow, (255, 255, 255), 160), 225))
