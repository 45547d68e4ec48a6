"""Settings that bring their own sky: outer space, and two rooms whose window shows one."""

from __future__ import annotations

from random import Random

from featurize.demo.canvas import Pen
from featurize.demo.colours import Look, mix
from featurize.demo.sky import SPREAD, backdrop, rain, rays


def _stars(pen: Pen, width: float, height: float, look: Look, dice: Random) -> None:
    """A starry sky with a ringed planet, and what the mood adds: rays or meteors."""
    night = mix(look.main[0], look.main[1], 60) if look.mood != "calm" else mix(look.main[1], look.main[2], 120)
    pen.box(-SPREAD, -SPREAD, width + SPREAD, height + SPREAD, night)
    for i in range(9):
        x, y = width * dice.random(), height * dice.random() * 0.8
        for radius in (230, 160, 90):
            pen.oval(x, y, radius * 1.3, radius * 0.7, (*(look.accent[1] if i % 2 else look.main[2]), 26))
    for _ in range(int(width * height / 12000)):
        r = 3 + 5 * dice.random() * dice.random()
        pen.oval(width * dice.random(), height * dice.random(), r, r, mix(look.paper, night, dice.randrange(120)))
    if look.mood == "tense":
        for _ in range(6):
            x, y = width * (0.1 + dice.random()), height * 0.5 * dice.random()
            pen.polygon(((x, y - 9), (x + 9, y), (x + 260, y - 210)), (*look.accent[3], 170))
            pen.oval(x, y, 14, 14, look.paper)
    elif look.mood == "epic":
        rays(pen, width / 2, height * 0.46, look.lamp, dice)
    side = dice.choice((0.2, 0.78))
    planet = pen.at(width * side, height * 0.24, 1.5 if look.mood == "menacing" else 1.15)
    globe = look.accent[2] if look.mood in ("menacing", "epic", "tense") else look.main[3]
    for radius, alpha in ((190, 30), (165, 50)):
        planet.oval(0, 0, radius, radius, (*globe, alpha))
    planet.oval(0, 0, 140, 140, globe)
    planet.curve(((-128, -56), (0, -30), (128, -58), (136, -30), (0, 4), (-136, -28)), mix(globe, look.paper, 90))
    planet.curve(((-134, 34), (0, 62), (134, 30), (122, 66), (0, 92), (-120, 70)), mix(globe, look.ink, 70))
    planet.curve(((60, -126), (140, -30), (130, 50), (40, 134), (96, 50), (104, -40)), mix(globe, look.ink, 130))
    ring = planet.at(0, 10, turn=18)
    for y, thick in ((0, 12), (16, 6)):
        ring.stroke(
            ((-140, y - 20), (-230, y), (-120, y + 34), (0, y + 44), (120, y + 34), (230, y), (140, y - 20)),
            thick,
            look.paper,
        )
    moon = pen.at(width * (0.86 if side < 0.5 else 0.12), height * 0.12, 0.5)
    moon.oval(0, 0, 90, 90, mix(look.paper, look.main[2], 90))
    moon.oval(-24, 18, 24, 24, mix(look.paper, look.main[2], 150))
    moon.oval(30, -26, 16, 16, mix(look.paper, look.main[2], 150))


def outer_space(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    _stars(pen, width, height, look, dice)
    rock = mix(look.main[2], look.main[0], 90)
    for lift, colour in ((-30, mix(rock, look.lamp, 90)), (0, rock)):
        pen.oval(width / 2, horizon + 1400 + lift + 40, 2100, 1400, colour)
    for _ in range(12):
        x, y, r = (
            width * dice.random(),
            horizon + 110 + (height - horizon) * 0.9 * dice.random(),
            30 + 60 * dice.random(),
        )
        pen.oval(x, y, r, r * 0.32, mix(rock, look.ink, 120))
        pen.oval(x, y + r * 0.07, r * 0.9, r * 0.26, mix(rock, look.ink, 70))


def spaceship(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    _stars(pen, width, height, look, dice)
    wall = mix(look.main[1], look.main[2], 70 if look.mood != "calm" else 180)
    dark, trim = mix(wall, look.ink, 110), look.accent[3]
    top, bottom = height * 0.1, horizon - 40
    left, right, cut = width * 0.1, width * 0.9, 120.0
    # The wall is drawn around the hexagonal window, so that the stars stay visible through it.
    pen.box(-SPREAD, -SPREAD, width + SPREAD, top, wall)
    pen.box(-SPREAD, bottom, width + SPREAD, height + SPREAD, wall)
    middle = (top + bottom) / 2
    pen.polygon(
        ((-SPREAD, top - 2), (left + cut, top - 2), (left, middle), (left + cut, bottom + 2), (-SPREAD, bottom + 2)),
        wall,
    )
    pen.polygon(
        (
            (width + SPREAD, top - 2),
            (right - cut, top - 2),
            (right, middle),
            (right - cut, bottom + 2),
            (width + SPREAD, bottom + 2),
        ),
        wall,
    )
    frame = (
        (left + cut, top),
        (right - cut, top),
        (right, middle),
        (right - cut, bottom),
        (left + cut, bottom),
        (left, middle),
        (left + cut, top),
    )
    pen.line(frame, 30, dark)
    pen.line(frame, 9, trim)
    for share in (0.36, 0.64):
        pen.box(width * share - 8, top, width * share + 8, bottom, dark)
    for side in (False, True):
        panel = pen.at(width if side else 0, middle, 1, flip=side)
        for row in range(-3, 4):
            panel.box(14, row * 84 - 26, 84, row * 84 + 26, dark)
            for column in range(3):
                panel.oval(28 + column * 20, row * 84, 7, 7, dice.choice((trim, look.lamp, look.accent[2], wall)))
    for i in range(7):
        x = width * (i + 0.5) / 7
        pen.box(x - 56, top * 0.4, x + 56, top * 0.4 + 14, look.paper)
    floor = mix(wall, look.ink, 60)
    pen.polygon(
        (
            (-SPREAD, height + SPREAD),
            (width * 0.08, bottom + 80),
            (width * 0.92, bottom + 80),
            (width + SPREAD, height + SPREAD),
        ),
        floor,
    )
    for i in range(9):
        x = width * (i - 4) / 8
        pen.line(((width / 2 + x * 0.9, bottom + 82), (width / 2 + x * 2.2, height + 40)), 5, mix(floor, trim, 90))
    for i in range(8):
        x = width * (i + 0.5) / 8
        pen.box(x - 50, bottom + 26, x + 50, bottom + 66, dark)
        pen.box(x - 40, bottom + 34, x + 40, bottom + 44, dice.choice((trim, look.lamp, look.accent[2])))


def living_room(pen: Pen, width: float, height: float, horizon: float, look: Look, dice: Random) -> None:
    share = 150 if not look.dark else 30
    wall = mix(look.main[2] if not look.dark else look.main[1], look.paper if not look.dark else look.ink, share)
    floor = mix(look.lit((150, 104, 70)), look.main[1], 80)
    side = dice.random() < 0.5
    left, right = (width * 0.06, width * 0.5) if side else (width * 0.5, width * 0.94)
    top, bottom = horizon * 0.12, horizon * 0.72
    view = pen.at(left, 0)
    backdrop(view, right - left, bottom * 0.9, look, dice, (right - left) * 0.5)
    if look.mood == "melancholy":
        rain(view, right - left, bottom, look, dice)
    pen.box(-SPREAD, -SPREAD, width + SPREAD, top, wall)
    pen.box(-SPREAD, bottom, width + SPREAD, horizon + 60, wall)
    pen.box(-SPREAD, top - 2, left, bottom + 2, wall)
    pen.box(right, top - 2, width + SPREAD, bottom + 2, wall)
    for x in (left, (left + right) / 2, right):
        pen.box(x - 9, top, x + 9, bottom, look.paper)
    for y in (top, (top + bottom) / 2, bottom):
        pen.box(left - 9, y - 8, right + 9, y + 8, look.paper)
    drape = look.accent[2]
    for x, lean in ((left, 1), (right, -1)):
        pen.polygon(
            (
                (x - 50 * lean, top - 40),
                (x + 66 * lean, top - 40),
                (x + 18 * lean, bottom * 0.75),
                (x + 30 * lean, bottom + 60),
                (x - 50 * lean, bottom + 60),
            ),
            drape,
        )
        pen.polygon(
            (
                (x - 14 * lean, top - 40),
                (x + 8 * lean, top - 40),
                (x - 10 * lean, bottom + 60),
                (x - 26 * lean, bottom + 60),
            ),
            mix(drape, look.ink, 60),
        )
    pen.box(left - 80, top - 54, right + 80, top - 36, mix(look.ink, drape, 60))
    other = width * (0.76 if side else 0.24)
    for i, (dx, y, w, h) in enumerate(((-60, 0.24, 64, 80), (84, 0.34, 50, 60))):
        pen.box(other + dx - w, horizon * y - h, other + dx + w, horizon * y + h, mix(look.ink, look.accent[1], 90))
        pen.box(
            other + dx - w + 12,
            horizon * y - h + 12,
            other + dx + w - 12,
            horizon * y + h - 12,
            look.accent[3] if i else look.main[3],
        )
    pen.box(-SPREAD, horizon + 40, width + SPREAD, height + SPREAD, floor)
    pen.box(-SPREAD, horizon + 28, width + SPREAD, horizon + 44, look.paper)
    for i in range(6):
        y = horizon + 60 + i * i * 16
        pen.box(-SPREAD, y, width + SPREAD, y + 5, mix(floor, look.ink, 60))
    pen.oval(width / 2, horizon + (height - horizon) * 0.55, width * 0.4, (height - horizon) * 0.3, look.accent[1])
    pen.oval(
        width / 2,
        horizon + (height - horizon) * 0.55,
        width * 0.35,
        (height - horizon) * 0.25,
        mix(look.accent[1], look.accent[3], 90),
    )
    sofa = pen.at(other, horizon + 96, min(1.15, width / 1200))
    cloth = look.main[2] if not look.dark else look.main[1]
    cloth = mix(cloth, look.ink, 60)
    sofa.curve(((-210, 0), (-214, -190), (-150, -214), (150, -214), (214, -190), (210, 0)), cloth)
    for x in (-100, 100):
        sofa.curve(
            ((x - 92, -60), (x - 88, -110), (x + 88, -110), (x + 92, -60), (x + 88, -20), (x - 88, -20)),
            mix(cloth, look.paper, 70),
        )
    for x in (-222, 222):
        sofa.curve(((x - 36, 10), (x - 38, -110), (x, -134), (x + 38, -110), (x + 36, 10)), mix(cloth, look.paper, 36))
    lamp = pen.at(width * (0.95 if side else 0.05), horizon + 90)
    lamp.box(-6, -380, 6, 0, look.ink)
    lamp.oval(0, 0, 50, 12, look.ink)
    lamp.polygon(((-46, -480), (46, -480), (86, -360), (-86, -360)), mix(look.lamp, (255, 236, 180), 150))
    plant = pen.at(width * (0.04 if side else 0.96), horizon + 130, 1.1)
    plant.polygon(((-44, -90), (44, -90), (32, 0), (-32, 0)), look.accent[2])
    for lean in (-110, -60, 0, 60, 110):
        plant.curve(
            ((-8, -88), (lean * 0.7 - 26, -200), (lean, -290 + abs(lean)), (lean * 0.6 + 26, -180), (8, -88)),
            look.lit((64, 124, 70)),
        )
