"""Settings made by people: city, haunted house and castle, painted like the landscapes."""

from __future__ import annotations

from random import Random

from featurize.demo.canvas import Pen
from featurize.demo.colours import Look, Rgb, mix
from featurize.demo.sky import SPREAD


def city(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    lamp = mix(look.lamp, (255, 240, 200), 60)
    for colour, tall, wide in ((look.far, 0.62, 90), (look.middle, 0.5, 120), (look.near, 0.34, 150)):
        x = -SPREAD
        while x < width + SPREAD:
            w = wide * (0.6 + 0.8 * dice.random())
            top = horizon - horizon * tall * (0.4 + 0.6 * dice.random())
            pen.box(x, top, x + w, height + SPREAD, colour)
            roof = dice.randrange(4)
            if roof == 0:
                pen.box(x + w * 0.46, top - 70, x + w * 0.54, top, colour)
            elif roof == 1:
                pen.polygon(((x, top), (x + w / 2, top - 60), (x + w, top)), colour)
            elif roof == 2:
                pen.box(x + w * 0.2, top - 30, x + w * 0.8, top, colour)
            if colour is not look.far:
                _windows(
                    pen, x, top, w, horizon + 40, lamp if look.mood not in ("calm", "joyful") else look.sky[2], dice
                )
            x += w + 6
    pen.box(-SPREAD, horizon + 30, width + SPREAD, height + SPREAD, look.ground)
    road = mix(look.ground, look.ink, 110)
    middle = width / 2
    pen.polygon(
        (
            (middle - 60, horizon + 30),
            (middle + 60, horizon + 30),
            (width * 1.15, height + SPREAD),
            (-width * 0.15, height + SPREAD),
        ),
        road,
    )
    for step in range(5):
        y = horizon + 45 + (height - horizon) * step * step / 16
        pen.polygon(
            (
                (middle - 3 - step * 3, y),
                (middle + 3 + step * 3, y),
                (middle + 5 + step * 4, y + 20 + 14 * step),
                (middle - 5 - step * 4, y + 20 + 14 * step),
            ),
            look.accent[3],
        )


def _windows(pen: Pen, x: float, top: float, wide: float, bottom: float, lamp: Rgb, dice: Random) -> None:
    y = top + 22
    while y < bottom:
        at = x + 12
        while at < x + wide - 20:
            if dice.random() < 0.5:
                pen.box(at, y, at + 17, y + 22, lamp)
            at += 34
        y += 46


def haunted_house(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    _hill(pen, width, height, horizon, look)
    house = pen.at(width * dice.choice((0.3, 0.5, 0.7)), horizon - 30, min(width, height * 0.9) / 1000 * 1.05)
    wall, roof, lamp = look.near, mix(look.near, look.ink, 150), mix(look.accent[3], (255, 220, 120), 100)
    house.box(-170, -330, 170, 60, wall)
    house.polygon(((-210, -320), (0, -500), (210, -320)), roof)
    for x, top in ((-190, -480), (200, -410)):
        house.box(x - 60, top, x + 60, 60, wall)
        house.polygon(((x - 84, top + 6), (x, top - 170), (x + 84, top + 6)), roof)
        house.limb((x, top - 160), (x, top - 210), 7, 4, roof)
        _window(house.at(x, top + 110), lamp)
    for x, y in ((-70, -200), (70, -200), (0, -370)):
        _window(house.at(x, y), lamp)
    house.box(-36, -90, 36, 60, mix(lamp, look.ink, 150))
    house.box(-250, -20, 250, -6, roof)
    for side in (False, True):
        _dead_tree(pen.at(width - 60 if side else 60, horizon + 130, 1.15, flip=side), look.ink)
    for i in range(int(width / 52) + 1):
        pen.polygon(((i * 52, horizon + 170), (i * 52 + 8, horizon + 88), (i * 52 + 16, horizon + 170)), look.ink)
    pen.box(-SPREAD, horizon + 120, width + SPREAD, horizon + 128, look.ink)


def _hill(pen: Pen, width: float, height: float, horizon: float, look: Look) -> None:
    pen.curve(
        (
            (-SPREAD, horizon + 70),
            (width * 0.25, horizon),
            (width * 0.55, horizon - 40),
            (width * 0.8, horizon + 10),
            (width + SPREAD, horizon + 80),
            (width + SPREAD, height + SPREAD),
            (-SPREAD, height + SPREAD),
        ),
        look.middle,
    )
    pen.curve(
        (
            (-SPREAD, horizon + 110),
            (width * 0.5, horizon + 90),
            (width + SPREAD, horizon + 120),
            (width + SPREAD, height + SPREAD),
            (-SPREAD, height + SPREAD),
        ),
        look.ground,
    )


def _window(pen: Pen, lamp: Rgb) -> None:
    pen.oval(0, -30, 26, 26, lamp)
    pen.box(-26, -30, 26, 40, lamp)
    bar = mix(lamp, (0, 0, 0), 170)
    pen.box(-3, -56, 3, 40, bar)
    pen.box(-26, -12, 26, -6, bar)


def _dead_tree(pen: Pen, fill: Rgb) -> None:
    pen.limb((0, 20), (10, -200), 44, 26, fill)
    for path in (
        ((8, -150), (-80, -260), (-70, -370)),
        ((10, -190), (90, -290), (190, -320)),
        ((-40, -215), (-130, -250)),
        ((80, -280), (90, -380)),
        ((8, -200), (20, -420)),
    ):
        pen.line(path, 13, fill)


def castle(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    _hill(pen, width, height, horizon, look)
    at = pen.at(width * dice.choice((0.36, 0.5, 0.64)), horizon + 10, min(width, height * 0.9) / 1000 * 1.1)
    stone, roof, lamp = mix(look.near, look.far, 70), look.accent[1], mix(look.accent[3], (255, 230, 150), 90)
    for x, w, top in ((-330, 56, -330), (330, 56, -300), (-190, 66, -480), (200, 60, -430), (0, 88, -600)):
        at.box(x - w, top, x + w, 70, stone)
        at.box(x + w * 0.3, top, x + w, 70, mix(stone, look.ink, 60))
        at.polygon(((x - w - 16, top + 4), (x, top - w * 2.5), (x + w + 16, top + 4)), roof)
        at.polygon(((x, top - w * 2.5), (x + w + 16, top + 4), (x + w * 0.2, top + 4)), mix(roof, look.ink, 80))
        at.box(x - 3, top - w * 2.5 - 60, x + 3, top - w * 2.5, look.ink)
        at.polygon(
            ((x + 3, top - w * 2.5 - 60), (x + 60, top - w * 2.5 - 44), (x + 3, top - w * 2.5 - 26)), look.accent[2]
        )
        _slit(at.at(x, top + 90), lamp)
        _slit(at.at(x, top + 210), lamp)
    at.box(-330, -170, 330, 80, mix(stone, look.ink, 30))
    for i in range(12):
        at.box(-330 + i * 57, -200, -300 + i * 57, -168, mix(stone, look.ink, 30))
    at.oval(0, -20, 54, 60, look.ink)
    at.box(-54, -20, 54, 80, look.ink)


def _slit(pen: Pen, lamp: Rgb) -> None:
    pen.oval(0, -22, 12, 12, lamp)
    pen.box(-12, -22, 12, 22, lamp)
