"""Props that drive, fly or burst. Each is drawn about 100 units wide around the origin."""

from __future__ import annotations

from featurize.demo.canvas import Pen, around
from featurize.demo.colours import Look, mix


def car(pen: Pen, look: Look) -> None:
    body, dark = look.lit((214, 36, 36)), look.lit((20, 20, 24))
    pen.curve([(-58, 14), (-56, -4), (-30, -10), (-14, -28), (18, -28), (34, -8), (58, -2), (60, 16), (0, 18)], body)
    pen.curve([(-24, -10), (-10, -23), (2, -24), (2, -9)], look.lit((170, 220, 240)))
    pen.curve([(6, -9), (6, -24), (16, -23), (27, -8)], look.lit((170, 220, 240)))
    pen.box(-56, 6, 58, 10, mix(body, look.ink, 90))
    pen.oval(56, 4, 5, 4, look.lit((255, 240, 170)))
    pen.oval(-55, 2, 3, 4, look.lit((255, 150, 60)))
    for x in (-34, 36):
        pen.oval(x, 17, 15, 15, dark)
        pen.oval(x, 17, 8, 8, look.lit((196, 200, 206)))
        pen.oval(x, 17, 3, 3, dark)


def helicopter(pen: Pen, look: Look) -> None:
    body, dark = look.lit((70, 84, 78)), look.lit((24, 28, 30))
    pen.limb((0, -8), (-62, -16), 14, 5, body)
    pen.polygon([(-66, -34), (-54, -34), (-56, -8), (-62, -8)], body)
    pen.curve([(-22, -20), (6, -26), (34, -12), (40, 6), (24, 20), (-14, 18), (-28, 4)], body)
    pen.curve([(12, -20), (30, -10), (36, 4), (14, 4)], look.lit((170, 220, 240)))
    pen.box(2, -38, 7, -22, dark)
    pen.limb((-66, -38), (72, -40), 5, 5, dark)
    for x in (-58, -60):
        pen.line([(x - 8, -36), (x + 10, -10)], 3, dark)
    pen.line([(-26, 32), (34, 32), (42, 26)], 4, dark)
    for x in (-12, 20):
        pen.line([(x, 18), (x, 32)], 4, dark)


def explosion(pen: Pen, look: Look) -> None:
    for radius, inner, colour in ((62, 40, (206, 50, 20)), (50, 30, (246, 130, 24)), (34, 20, (255, 214, 70))):
        points = []
        for i in range(24):
            reach = (radius if i % 4 == 0 else radius * 0.82) if i % 2 == 0 else inner
            tip = around(i * 15, reach)
            points.append(tip)
        pen.polygon(points, mix(colour, look.ink, look.light.shade // 4))
    pen.oval(0, 0, 14, 14, (255, 250, 220))


def parachute(pen: Pen, look: Look) -> None:
    stripes = (look.lit((232, 84, 40)), look.lit((250, 246, 236)))
    for i, (a, b) in enumerate(((-56, -34), (-34, -12), (-12, 12), (12, 34), (34, 56))):
        pen.curve([(a, -14), (a * 0.62, -46), (b * 0.62, -46), (b, -14), ((a + b) / 2, -20)], stripes[i % 2])
        pen.line([(a, -14), (0, 40)], 1.6, look.ink)
    pen.line([(56, -14), (0, 40)], 1.6, look.ink)
    pen.box(-11, 36, 11, 58, look.lit((120, 84, 50)))
    pen.box(-2, 36, 2, 58, look.ink)


def rocket(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, 0, turn=-24)
    red = look.lit((222, 56, 44))
    for wide, long, colour in ((15, 100, (250, 140, 30)), (9, 82, (255, 230, 110))):
        tilt.polygon([(-wide, 42), (wide, 42), (0, long)], colour)
    for side in (-1, 1):
        tilt.polygon([(side * 16, 12), (side * 40, 48), (side * 14, 42)], red)
    tilt.curve([(0, -72), (20, -30), (21, 20), (13, 46), (-13, 46), (-21, 20), (-20, -30)], look.lit((238, 240, 244)))
    tilt.curve([(0, -72), (13, -48), (0, -44), (-13, -48)], red)
    tilt.curve([(8, -52), (20, -30), (21, 20), (13, 46), (6, 46), (12, 10)], look.lit((176, 184, 196)))
    tilt.oval(0, -16, 11, 11, look.lit((50, 60, 80)))
    tilt.oval(0, -16, 8, 8, look.lit((130, 210, 240)))
    tilt.box(-20, 20, 20, 26, red)


def flying_saucer(pen: Pen, look: Look) -> None:
    pen.polygon([(-22, 12), (22, 12), (54, 66), (-54, 66)], mix(look.lit((190, 255, 150)), look.main[2], 90))
    pen.oval(0, -12, 27, 25, look.lit((160, 226, 240)))
    pen.oval(-8, -20, 7, 9, look.lit((232, 250, 255)))
    pen.oval(0, 6, 64, 18, look.lit((150, 158, 172)))
    pen.oval(0, 1, 60, 13, look.lit((206, 212, 222)))
    pen.oval(0, -3, 30, 8, look.lit((120, 128, 142)))
    for x in (-44, -22, 0, 22, 44):
        pen.oval(x, 10, 5, 4, (255, 222, 90))


def satellite(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, 0, turn=20)
    for side in (-1, 1):
        tilt.box(min(side * 18, side * 70), -17, max(side * 18, side * 70), 17, look.lit((44, 84, 170)))
        for i in range(1, 4):
            tilt.box(side * (18 + i * 13) - 1, -17, side * (18 + i * 13) + 1, 17, look.lit((190, 210, 240)))
        tilt.box(min(side * 18, side * 70), -1, max(side * 18, side * 70), 1, look.lit((190, 210, 240)))
    tilt.box(-18, -24, 18, 26, look.lit((226, 178, 70)))
    tilt.box(6, -24, 18, 26, look.lit((170, 126, 44)))
    tilt.line([(0, 26), (0, 40)], 4, look.lit((200, 204, 210)))
    tilt.curve([(-26, 40), (26, 40), (14, 54), (-14, 54)], look.lit((234, 236, 240)))
    tilt.line([(0, -24), (0, -46)], 3, look.lit((200, 204, 210)))
    tilt.oval(0, -48, 5, 5, (250, 70, 60))


def balloon(pen: Pen, look: Look) -> None:
    for x, y, colour in ((-26, -14, (236, 64, 64)), (26, -18, (70, 140, 236)), (0, -36, (252, 202, 60))):
        paint = look.lit(colour)
        pen.stroke([(x, y + 24), (x * 0.5, 30), (0, 60)], 1.8, look.ink)
        pen.polygon([(x - 5, y + 31), (x + 5, y + 31), (x, y + 24)], paint)
        pen.oval(x, y, 22, 27, paint)
        pen.oval(x - 8, y - 10, 5, 8, mix(paint, (255, 255, 255), 140))


def kite(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, -6, turn=-24)
    corners = [(0, -56), (36, -12), (0, 46), (-36, -12)]
    for i, colour in enumerate(((236, 70, 60), (252, 204, 64), (60, 140, 220), (80, 180, 96))):
        tilt.polygon([(0, -12), corners[i], corners[(i + 1) % 4]], look.lit(colour))
    tilt.line([(0, -56), (0, 46)], 2, look.ink)
    tilt.line([(-36, -12), (36, -12)], 2, look.ink)
    tilt.stroke([(0, 46), (14, 58), (-4, 72), (12, 86)], 2.4, look.ink)
    for x, y in ((10, 56), (0, 72), (12, 86)):
        tilt.polygon([(x - 9, y - 5), (x, y), (x - 9, y + 5)], look.lit((236, 70, 60)))
        tilt.polygon([(x + 9, y - 5), (x, y), (x + 9, y + 5)], look.lit((60, 140, 220)))
