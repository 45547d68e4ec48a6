"""Props that lie, hang or are held. Each is drawn about 100 units wide around the origin."""

from __future__ import annotations

from featurize.demo.canvas import Pen, around
from featurize.demo.colours import Look, mix

GOLD, STEEL, WOOD = (240, 192, 64), (208, 216, 226), (134, 84, 46)


def heart(pen: Pen, look: Look) -> None:
    red = mix((226, 30, 62), look.ink, look.light.shade // 2)
    pen.curve(
        [(0, -24), (-20, -46), (-48, -36), (-54, -8), (-34, 22), (0, 54), (34, 22), (54, -8), (48, -36), (20, -46)], red
    )
    pen.polygon([(-40, 14), (40, 14), (0, 55)], red)
    pen.curve([(-42, -16), (-34, -32), (-20, -34), (-30, -18)], mix(red, (255, 255, 255), 130))


def ring(pen: Pen, look: Look) -> None:
    gold = look.lit(GOLD)
    band = [around(t, 34) for t in range(0, 361, 30)]
    pen.stroke([(x, y + 20) for x, y in band], 10, gold)
    pen.stroke([(x, y + 20) for x, y in band[6:10]], 4, mix(gold, (255, 255, 255), 150))
    pen.polygon([(-24, -36), (-12, -52), (12, -52), (24, -36), (0, -8)], look.lit((150, 226, 250)))
    pen.polygon([(-24, -36), (24, -36), (0, -8)], look.lit((210, 244, 255)))
    pen.polygon([(-8, -36), (8, -36), (0, -8)], (255, 255, 255))


def wine_glass(pen: Pen, look: Look) -> None:
    for x, turn in ((-20, -14), (22, 14)):
        glass = pen.at(x, 0, turn=turn)
        rim = look.lit((226, 240, 246))
        glass.curve([(-20, -56), (20, -56), (22, -26), (0, -4), (-22, -26)], rim)
        glass.curve([(-20, -38), (20, -38), (19, -24), (0, -8), (-19, -24)], look.lit((176, 20, 52)))
        glass.line([(0, -6), (0, 44)], 4, rim)
        glass.oval(0, 47, 18, 5, rim)


def knife(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, 0, turn=35)
    tilt.polygon([(-11, 14), (-11, -44), (0, -70), (12, -52), (12, 14)], look.lit(STEEL))
    tilt.polygon([(4, 14), (4, -60), (12, -48), (12, 14)], mix(look.lit(STEEL), (255, 255, 255), 140))
    tilt.curve([(-11, -40), (0, -70), (10, -52), (4, -30), (-2, -44), (-6, -22)], (190, 16, 26))
    tilt.box(-17, 14, 17, 21, look.ink)
    tilt.limb((0, 26), (0, 60), 15, 17, look.lit((84, 46, 30)))
    for y in (32, 46):
        tilt.oval(0, y, 3, 3, look.lit(GOLD))


def banana(pen: Pen, look: Look) -> None:
    yellow = mix((255, 216, 50), look.ink, look.light.shade // 3)
    pen.curve([(-50, -28), (-42, 6), (-12, 34), (30, 34), (58, 12), (52, 4), (26, 10), (-6, 0), (-34, -36)], yellow)
    pen.stroke([(-44, -20), (-30, 10), (0, 26), (36, 22), (54, 10)], 3.5, mix(yellow, (180, 110, 10), 150))
    pen.polygon([(-52, -28), (-34, -36), (-40, -52), (-50, -50)], (110, 84, 30))
    pen.oval(56, 9, 6, 6, (90, 64, 26))


def party_hat(pen: Pen, look: Look) -> None:
    pen.polygon([(0, -54), (42, 44), (-42, 44)], look.lit((236, 64, 140)))
    for y, wide, colour in ((-20, 15, (255, 220, 70)), (4, 26, (70, 190, 240)), (28, 36, (255, 220, 70))):
        pen.polygon([(-wide + 2, y), (wide - 2, y), (wide + 2, y + 9), (-wide - 2, y + 9)], look.lit(colour))
    pen.oval(0, 45, 43, 8, look.lit((255, 255, 255)))
    for t in range(0, 360, 40):
        dx, dy = around(t, 13)
        pen.limb((0, -56), (dx, dy - 56), 6, 4, look.lit((255, 220, 70)))


def cake(pen: Pen, look: Look) -> None:
    cream, pink = look.lit((255, 244, 226)), look.lit((244, 130, 170))
    pen.oval(0, 48, 60, 9, look.lit((214, 220, 228)))
    pen.box(-46, 4, 46, 46, pink)
    pen.box(-46, 20, 46, 27, cream)
    pen.box(-30, -28, 30, 6, pink)
    for x in range(-40, 41, 16):
        pen.oval(x, 7, 9, 11, cream)
    for x in range(-24, 25, 16):
        pen.oval(x, -26, 9, 10, cream)
    for x in (-16, 0, 16):
        pen.box(x - 3, -54, x + 3, -30, look.lit((80, 170, 236)))
        pen.curve([(x, -70), (x + 6, -60), (x, -54), (x - 6, -60)], (255, 196, 50))


def ray_gun(pen: Pen, look: Look) -> None:
    teal, steel = look.lit((40, 176, 170)), look.lit(STEEL)
    pen.polygon([(-34, 0), (-12, 0), (-20, 46), (-44, 46)], look.lit((214, 60, 50)))
    pen.curve([(-50, -14), (-36, -34), (6, -30), (28, -16), (6, 2), (-36, 6)], teal)
    pen.limb((20, -15), (58, -15), 10, 6, steel)
    for x, high in ((26, 18), (38, 14), (50, 10)):
        pen.oval(x, -15, 3.5, high, look.lit((214, 60, 50)))
    pen.oval(64, -15, 8, 8, (160, 255, 190))
    pen.stroke([(-14, 4), (-4, 16), (4, 2)], 3.5, steel)
    pen.oval(-22, -16, 9, 9, look.lit((255, 220, 80)))


def letter(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, 0, turn=-8)
    paper = look.lit((250, 242, 222))
    tilt.box(-56, -36, 56, 38, paper)
    fold = mix(paper, look.ink, 60)
    tilt.polygon([(-56, 38), (-6, -2), (6, -2), (56, 38)], mix(paper, look.ink, 24))
    tilt.polygon([(-56, -36), (56, -36), (0, 12)], fold)
    tilt.line([(-56, -36), (0, 12), (56, -36)], 3, mix(fold, look.ink, 60))
    tilt.oval(0, 8, 13, 13, look.lit((196, 28, 40)))
    tilt.oval(0, 8, 7, 7, look.lit((230, 80, 80)))


def umbrella(pen: Pen, look: Look) -> None:
    red = look.lit((200, 44, 56))
    pen.line([(0, -50), (0, 44)], 4, look.ink)
    pen.stroke([(0, 40), (2, 54), (14, 56), (18, 44)], 4.5, look.lit(WOOD))
    pen.curve(
        [(-62, -2), (-46, -40), (0, -58), (46, -40), (62, -2), (42, -10), (22, 0), (0, -9), (-22, 0), (-42, -10)], red
    )
    pen.curve([(-22, 0), (-16, -36), (0, -58), (0, -9)], mix(red, look.ink, 60))
    pen.curve([(42, -10), (36, -40), (0, -58), (46, -42), (62, -2)], mix(red, look.ink, 60))
    pen.limb((0, -56), (0, -66), 4, 2, look.ink)


def suitcase(pen: Pen, look: Look) -> None:
    leather = look.lit((150, 92, 50))
    pen.stroke([(-16, -28), (-14, -46), (14, -46), (16, -28)], 7, look.ink)
    pen.box(-54, -28, 54, 46, leather)
    for x in (-30, 30):
        pen.box(x - 6, -28, x + 6, 46, mix(leather, look.ink, 110))
        pen.box(x - 6, -2, x + 6, 8, look.lit(GOLD))
    pen.box(-54, 6, 54, 9, mix(leather, look.ink, 130))
    for x in (-54, 44):
        for y in (-28, 36):
            pen.box(x, y, x + 10, y + 10, mix(leather, look.ink, 130))
    pen.box(-14, 16, 14, 32, look.lit((238, 226, 190)))


def violin(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, 0, turn=28)
    wood = look.lit((176, 84, 32))
    tilt.curve(
        [
            (-20, -10),
            (-14, -22),
            (14, -22),
            (20, -10),
            (14, 6),
            (28, 30),
            (20, 54),
            (0, 58),
            (-20, 54),
            (-28, 30),
            (-14, 6),
        ],
        wood,
    )
    tilt.box(-4, -76, 4, 20, look.lit((30, 24, 24)))
    tilt.oval(0, -80, 6, 7, wood)
    for side in (-1, 1):
        tilt.stroke([(side * 12, 12), (side * 9, 24), (side * 13, 36)], 2.6, look.ink)
    tilt.box(-9, 32, 9, 36, look.lit((236, 214, 160)))
    for x in (-2, 2):
        tilt.box(x - 0.6, -70, x + 0.6, 50, look.lit((240, 236, 226)))
    bow = pen.at(30, 4, turn=-14)
    bow.line([(0, -66), (0, 60)], 4, look.lit((90, 50, 26)))
    bow.line([(6, -62), (6, 56)], 2, look.lit((240, 236, 226)))


def cowboy_hat(pen: Pen, look: Look) -> None:
    felt = look.lit((156, 98, 54))
    dark = mix(felt, look.ink, 110)
    pen.curve([(-34, 14), (-30, -36), (-14, -48), (0, -38), (14, -48), (30, -36), (34, 14)], felt)
    pen.curve([(-72, -4), (-52, 24), (0, 34), (52, 24), (72, -4), (50, 12), (0, 18), (-50, 12)], felt)
    pen.curve([(-72, -4), (-52, 26), (0, 38), (52, 26), (72, -4), (54, 30), (0, 48), (-54, 30)], dark)
    pen.curve([(-34, 4), (0, 12), (34, 4), (34, 15), (0, 23), (-34, 15)], look.lit((190, 50, 40)))
    pen.curve([(-8, -40), (0, -36), (8, -40), (4, -14), (-4, -14)], dark)


def sheriff_star(pen: Pen, look: Look) -> None:
    gold = look.lit(GOLD)
    tips = [around(t - 90, 54) for t in range(0, 360, 60)]
    dents = [around(t - 60, 28) for t in range(0, 360, 60)]
    pen.polygon([point for pair in zip(tips, dents, strict=True) for point in pair], gold)
    for tip, dent in zip(tips, dents, strict=True):
        pen.polygon([(0, 0), tip, dent], mix(gold, look.ink, 60))
        pen.oval(*tip, 7, 7, gold)
    pen.oval(0, 0, 20, 20, mix(gold, look.ink, 80))
    pen.oval(0, 0, 16, 16, gold)


def sword(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, 0, turn=30)
    tilt.polygon([(-8, 24), (-8, -62), (0, -80), (8, -62), (8, 24)], look.lit(STEEL))
    tilt.polygon([(0, 24), (0, -80), (8, -62), (8, 24)], mix(look.lit(STEEL), look.ink, 70))
    tilt.limb((-28, 26), (28, 26), 8, 8, look.lit(GOLD))
    tilt.box(-5, 28, 5, 52, look.lit((120, 40, 36)))
    tilt.oval(0, 58, 9, 9, look.lit(GOLD))
    tilt.oval(0, 26, 6, 6, look.lit((214, 40, 60)))


def crown(pen: Pen, look: Look) -> None:
    gold = look.lit(GOLD)
    pen.polygon([(-52, 40), (-58, -26), (-30, 4), (0, -46), (30, 4), (58, -26), (52, 40)], gold)
    pen.polygon([(10, 40), (0, -46), (30, 4), (58, -26), (52, 40)], mix(gold, look.ink, 40))
    pen.box(-53, 24, 53, 42, mix(gold, look.ink, 70))
    for x, y, colour in ((-58, -30, (220, 50, 60)), (0, -50, (70, 130, 230)), (58, -30, (220, 50, 60))):
        pen.oval(x, y, 8, 8, look.lit(colour))
    for x, colour in ((-32, (70, 190, 120)), (0, (220, 50, 60)), (32, (70, 130, 230))):
        pen.oval(x, 33, 7, 6, look.lit(colour))


def crystal_ball(pen: Pen, look: Look) -> None:
    pen.curve([(-36, 52), (-24, 26), (24, 26), (36, 52), (0, 58)], look.lit((110, 74, 44)))
    pen.oval(0, 36, 30, 8, look.lit(GOLD))
    pen.oval(0, -10, 46, 46, look.lit((110, 80, 200)))
    pen.oval(-4, -14, 36, 36, look.lit((160, 130, 236)))
    pen.stroke([(-24, 0), (-8, -18), (10, -6), (24, -22)], 6, look.lit((226, 214, 255)))
    pen.oval(-18, -32, 10, 7, (255, 255, 255))
    for x, y in ((12, 8), (-8, 14), (18, -32)):
        pen.polygon([(x, y - 8), (x + 2.5, y), (x, y + 8), (x - 2.5, y)], (255, 250, 210))


def magnifying_glass(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, 0, turn=-40)
    tilt.limb((0, 22), (0, 70), 12, 14, look.lit((96, 56, 32)))
    tilt.oval(0, -16, 42, 42, look.lit(GOLD))
    tilt.oval(0, -16, 34, 34, look.lit((196, 226, 236)))
    tilt.stroke([(-22, -16), (-16, -34), (0, -40)], 7, (255, 255, 255))
    tilt.box(-6, 20, 6, 32, look.lit(GOLD))


def key(pen: Pen, look: Look) -> None:
    tilt = pen.at(0, 0, turn=40)
    brass = look.lit((222, 176, 70))
    for x, y in ((0, -56), (-18, -34), (18, -34)):
        tilt.stroke([(x + dx, y + dy) for dx, dy in (around(t, 14) for t in range(0, 361, 45))], 7, brass)
    tilt.line([(0, -26), (0, 62)], 9, brass)
    tilt.box(0, 36, 24, 44, brass)
    tilt.box(0, 52, 28, 62, brass)
    tilt.box(-9, -18, 9, -12, mix(brass, look.ink, 80))


def lantern(pen: Pen, look: Look) -> None:
    iron = mix(look.ink, look.lit((70, 70, 78)), 150)
    for radius, share in ((64, 30), (48, 60)):
        pen.oval(0, 8, radius * 0.7, radius, mix(look.main[1], (255, 206, 90), share * 2))
    pen.stroke([(-22, -34), (-18, -62), (18, -62), (22, -34)], 4.5, iron)
    pen.polygon([(-30, -26), (30, -26), (16, -44), (-16, -44)], iron)
    pen.polygon([(-26, -26), (26, -26), (30, 42), (-30, 42)], (255, 226, 130))
    pen.curve([(0, -12), (12, 14), (0, 28), (-12, 14)], (255, 150, 40))
    for x in (-27, 0, 27):
        pen.line([(x * 0.9, -26), (x, 42)], 4, iron)
    pen.box(-36, 40, 36, 54, iron)


def fingerprint(pen: Pen, look: Look) -> None:
    card = look.lit((244, 236, 214))
    pen.at(0, 0, turn=6).box(-44, -56, 44, 58, card)
    ink = mix((30, 34, 60), look.ink, 60)
    print_ = pen.at(0, 0, turn=6)
    for radius in (6, 14, 22, 30):
        print_.stroke(
            [
                (-radius, 8 + radius),
                (-radius, -radius * 0.4),
                (0, -radius * 1.35),
                (radius, -radius * 0.4),
                (radius, 8 + radius * 0.8),
            ],
            3.6,
            ink,
        )
