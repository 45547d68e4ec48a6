"""Props that live, lived or grow. Each is drawn about 100 units wide around the origin."""

from __future__ import annotations

from featurize.demo.canvas import Pen
from featurize.demo.colours import Look, mix


def rose(pen: Pen, look: Look) -> None:
    green, red = look.lit((50, 130, 62)), look.lit((214, 28, 54))
    pen.stroke([(0, -16), (4, 20), (-2, 58)], 6, green)
    pen.curve([(2, 22), (22, 6), (40, 8), (28, 24)], green)
    pen.curve([(0, 36), (-20, 20), (-38, 24), (-24, 40)], green)
    pen.curve([(-30, -40), (-20, -62), (0, -66), (22, -62), (30, -40), (18, -12), (0, -6), (-18, -12)], red)
    dark, light = mix(red, look.ink, 100), mix(red, (255, 255, 255), 60)
    pen.curve([(-30, -42), (-10, -30), (0, -8), (-18, -12)], dark)
    pen.curve([(30, -42), (10, -26), (2, -8), (18, -12)], light)
    pen.stroke([(-12, -44), (0, -56), (12, -46), (2, -36), (-6, -44), (2, -48)], 4, dark)


def bat(pen: Pen, look: Look) -> None:
    wing = mix(look.ink, look.lit((64, 48, 76)), 120)
    for side in (-1, 1):
        wings = [(6, -6), (22, -30), (64, -34), (80, -8), (66, 0), (58, 16), (44, 4), (34, 22), (22, 6), (8, 16)]
        pen.polygon([(side * x, y) for x, y in wings], wing)
        pen.polygon([(side * 2, -22), (side * 10, -36), (side * 12, -18)], wing)
        pen.line([(side * 8, -6), (side * 60, -30)], 2.5, mix(wing, (255, 255, 255), 40))
    pen.oval(0, 2, 12, 20, wing)
    pen.oval(0, -16, 13, 12, wing)
    for x in (-5, 5):
        pen.oval(x, -17, 3.4, 3.4, (255, 64, 44))
        pen.polygon([(x - 2, -8), (x + 2, -8), (x, -2)], (250, 248, 240))


def skull(pen: Pen, look: Look) -> None:
    bone = look.lit((238, 230, 208))
    hole = mix(look.ink, (0, 0, 0), 128)
    pen.curve([(-46, -14), (-38, -48), (0, -62), (38, -48), (46, -14), (34, 14), (-34, 14)], bone)
    pen.box(-26, 8, 26, 42, bone)
    pen.curve([(20, -54), (40, -44), (46, -12), (34, 14), (26, 12), (32, -20)], mix(bone, look.ink, 70))
    for x in (-19, 19):
        pen.oval(x, -8, 14, 15, hole)
        pen.oval(x, -4, 4, 4, (230, 60, 40))
    pen.polygon([(0, 4), (8, 20), (-8, 20)], hole)
    for x in (-16, -5, 6, 17):
        pen.box(x - 2, 28, x + 1.5, 42, hole)
    pen.box(-26, 25, 26, 28, hole)


def pumpkin(pen: Pen, look: Look) -> None:
    orange = (236, 124, 24)
    for x, wide in ((-30, 24), (30, 24), (-14, 26), (14, 26), (0, 24)):
        pen.oval(x, 14, wide, 38, mix(mix(orange, look.ink, look.light.shade // 3), look.ink, abs(x) * 2))
    pen.polygon([(-6, -20), (6, -20), (14, -42), (4, -44)], look.lit((70, 110, 50)))
    glow = (255, 226, 90)
    for side in (-1, 1):
        pen.polygon([(side * 10, 6), (side * 32, 4), (side * 18, -14)], glow)
    pen.polygon([(-5, 14), (5, 14), (0, 5)], glow)
    pen.polygon(
        [
            (-36, 20),
            (-22, 26),
            (-14, 20),
            (0, 28),
            (14, 20),
            (22, 26),
            (36, 20),
            (20, 44),
            (10, 38),
            (0, 46),
            (-10, 38),
            (-20, 44),
        ],
        glow,
    )


def rubber_duck(pen: Pen, look: Look) -> None:
    yellow = mix((255, 214, 40), look.ink, look.light.shade // 3)
    dark = mix(yellow, (220, 130, 10), 120)
    pen.curve([(-56, 0), (-40, 10), (0, 4), (34, 6), (50, 22), (38, 46), (0, 52), (-36, 46), (-54, 24)], yellow)
    pen.oval(22, -22, 30, 30, yellow)
    pen.curve([(-32, 18), (-4, 14), (18, 24), (0, 38), (-24, 36)], dark)
    pen.curve([(46, -24), (70, -18), (66, -6), (46, -8)], (240, 104, 24))
    pen.oval(30, -30, 6, 7, (30, 26, 26))
    pen.oval(28, -33, 2, 2, (255, 255, 255))


def dog(pen: Pen, look: Look) -> None:
    fur, dark = look.lit((196, 138, 78)), look.lit((120, 76, 40))
    pen.stroke([(-34, 26), (-56, 10), (-52, -14)], 9, fur)
    pen.curve([(-38, 54), (-42, 10), (-16, -12), (12, -14), (22, 20), (20, 54)], fur)
    pen.curve([(2, -6), (16, 0), (18, 40), (2, 40)], look.lit((250, 240, 220)))
    for x in (0, 17):
        pen.limb((x, 10), (x, 50), 13, 11, fur)
        pen.oval(x + 3, 52, 10, 6, fur)
    pen.oval(-24, 50, 20, 9, dark)
    pen.oval(14, -34, 27, 25, fur)
    pen.curve([(20, -34), (44, -30), (46, -16), (24, -14)], look.lit((250, 240, 220)))
    pen.oval(43, -28, 6, 5, (30, 24, 24))
    pen.curve([(-10, -56), (-22, -40), (-22, -12), (-8, -10), (2, -40)], dark)
    pen.oval(20, -40, 4.5, 5, (30, 24, 24))
    pen.curve([(28, -16), (38, -16), (36, 0), (29, 0)], (236, 90, 100))
    pen.limb((-4, -12), (26, -8), 7, 7, (214, 44, 44))
    pen.oval(16, -3, 5, 5, (250, 210, 70))


def teddy_bear(pen: Pen, look: Look) -> None:
    fur, light = look.lit((168, 110, 62)), look.lit((226, 184, 130))
    for x in (-26, 26):
        pen.oval(x, -54, 14, 14, fur)
        pen.oval(x, -54, 8, 8, light)
        pen.oval(x * 1.3, 46, 18, 16, fur)
        pen.oval(x * 1.3, 48, 10, 9, light)
        pen.limb((x * 0.9, 0), (x * 1.7, 20), 22, 18, fur)
    pen.oval(0, 24, 34, 36, fur)
    pen.oval(0, 28, 21, 24, light)
    pen.oval(0, -30, 36, 31, fur)
    pen.oval(0, -20, 17, 14, light)
    pen.oval(0, -26, 6, 4.5, (40, 26, 22))
    pen.stroke([(-8, -16), (0, -12), (8, -16)], 2.6, (40, 26, 22))
    for x in (-14, 14):
        pen.oval(x, -36, 4.5, 5, (40, 26, 22))
    for side in (-1, 1):
        pen.polygon([(0, 1), (side * 18, -6), (side * 18, 9)], (214, 44, 60))


def horse(pen: Pen, look: Look) -> None:
    coat, dark = look.lit((138, 82, 44)), look.lit((56, 34, 22))
    pen.stroke([(-44, -2), (-60, 8), (-58, 34)], 9, dark)
    for x, foot in ((-36, -40), (-26, -20), (22, 20), (32, 38)):
        pen.limb((x, 14), ((x + foot) / 2, 36), 13, 8, coat)
        pen.limb(((x + foot) / 2, 36), (foot, 58), 8, 7, mix(coat, look.ink, 50))
        pen.oval(foot + 2, 60, 6, 4, dark)
    pen.curve([(-48, 0), (-34, -14), (0, -8), (26, -16), (40, 2), (30, 22), (0, 22), (-36, 24)], coat)
    pen.polygon([(18, -10), (34, -52), (50, -56), (52, -40), (40, 10)], coat)
    pen.curve([(34, -56), (48, -62), (60, -52), (76, -34), (70, -26), (58, -34), (44, -38)], coat)
    pen.polygon([(38, -58), (40, -74), (47, -60)], coat)
    pen.curve([(36, -66), (24, -52), (12, -12), (22, -12), (32, -40), (40, -58)], dark)
    pen.oval(54, -50, 3, 3, (20, 16, 16))
    pen.curve([(-14, -14), (12, -14), (14, 2), (-12, 2)], look.lit((190, 50, 40)))
    pen.curve([(-12, -20), (-6, -13), (10, -15), (14, -22), (16, -8), (-12, -8)], dark)


def dragon(pen: Pen, look: Look) -> None:
    scale, dark = look.lit((44, 132, 84)), look.lit((20, 72, 58))
    wing = look.lit((190, 70, 50))
    pen.polygon([(-6, -8), (-22, -66), (2, -54), (22, -70), (34, -48), (56, -50), (40, -26), (14, -2)], wing)
    for tip in ((-22, -66), (22, -70), (56, -50)):
        pen.line([(2, -4), tip], 3, dark)
    pen.stroke([(-10, 26), (-40, 40), (-64, 26), (-72, 2)], 11, scale)
    pen.polygon([(-72, 8), (-86, -8), (-70, -20), (-60, -4)], scale)
    pen.curve([(-26, 20), (-8, -10), (20, -8), (36, 14), (24, 38), (-10, 42)], scale)
    pen.curve([(-4, 36), (8, 8), (26, 6), (30, 22), (18, 38)], look.lit((236, 214, 120)))
    pen.stroke([(22, 4), (38, -14), (36, -34)], 18, scale)
    pen.curve([(26, -44), (40, -54), (60, -48), (80, -36), (76, -26), (52, -26), (34, -26)], scale)
    for x in (32, 42):
        pen.polygon([(x - 4, -48), (x - 16, -64), (x + 4, -52)], look.lit((250, 236, 190)))
    pen.oval(52, -42, 4, 4, (255, 230, 60))
    pen.oval(53, -42, 1.6, 4, (20, 16, 16))
    for x in (58, 66, 72):
        pen.polygon([(x - 3, -27), (x + 3, -27), (x, -20)], (250, 248, 240))
    for x in (-6, 18):
        pen.limb((x, 34), (x + 4, 54), 13, 9, dark)
        pen.oval(x + 8, 56, 11, 5, dark)


def cactus(pen: Pen, look: Look) -> None:
    green, dark = look.lit((66, 140, 74)), look.lit((34, 92, 54))
    for path in ([(0, 10), (-32, 6), (-34, -26)], [(0, -4), (32, -8), (34, -38)]):
        pen.line(path, 19, green)
    pen.limb((0, 58), (0, -50), 30, 27, green)
    for x in (-7, 6):
        pen.line([(x, 54), (x, -48)], 2.6, dark)
    for x, y in ((-34, -36), (34, -48), (0, -64)):
        pen.oval(x, y, 6, 5, (240, 90, 130))
    pen.oval(0, 60, 40, 6, dark)
