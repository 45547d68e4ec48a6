"""Heads: face, expression, hair and headgear. The mood is read off the mouth, the eyes and the brows.

A head is drawn around the origin; the face is 150 units wide and 200 high. Below about 20 pixels only the shapes that
still count are drawn.
"""

from __future__ import annotations

from featurize.demo.canvas import Pen
from featurize.demo.colours import Rgb, mix
from featurize.demo.people import Person


def head(pen: Pen, who: Person) -> None:
    """Head of a person, without the neck and what hangs `behind`."""
    shade = mix(who.skin, who.ink, 70)
    near = pen.at(0, 0, flip=who.facing < 0)
    turn = 20 * abs(who.facing)
    fine = pen.pixels_per_unit * 200 > 22
    if who.role == "hooded figure":
        _hooded(near, who)
        return
    near.oval(-74 + turn * 0.5, 8, 15, 22, shade)
    if not turn:
        near.oval(74, 8, 15, 22, shade)
    face = who.face
    jaw = (58 if who.role in ("man", "cowboy", "fighter", "knight", "detective") else 46) + face.jaw
    chin = (92 if who.role == "child" else 102) + face.chin
    outline = [
        (-72, -40),
        (-74, 20),
        (-jaw, 70),
        (-20, chin),
        (20, chin),
        (jaw, 70),
        (74, 20),
        (72, -40),
        (40, -94),
        (-40, -94),
    ]
    near.curve(outline, who.skin)
    # The side away from the light.
    near.curve([(-70, -44), (-76, 20), (-jaw, 70), (-22, chin), (-30, 74), (-50, 30), (-48, -40)], shade)
    if turn:
        near.curve([(60, -18), (88, 22), (82, 34), (62, 38)], who.skin)
    if face.beard == "full":
        near.curve(
            [
                (-74, 12),
                (-jaw - 4, 72),
                (-18, chin + 12),
                (22, chin + 12),
                (jaw + 4, 72),
                (74, 12),
                (52, 34),
                (24, 32),
                (0, 26),
                (-24, 32),
                (-52, 34),
            ],
            who.hair,
        )
    if fine:
        _features(near, who, turn, shade)
    _hair(near, who)
    _headgear(near, who)


def _features(pen: Pen, who: Person, turn: float, shade: Rgb) -> None:
    mood, face, ink = who.mood, who.face, mix(who.ink, (0, 0, 0), 60)
    white = mix((250, 248, 244), who.ink, 30)
    lip = mix(who.skin, (170, 30, 44), 150)
    brow = mix(who.hair, who.ink, 90)
    if who.role == "clown":
        for x in (-32 + turn, 32 + turn):
            pen.oval(x, -6, 27, 34, white)
        pen.oval(turn, 54, 54, 32, white)
    for side in (-1, 1):
        x = side * (33 + face.eyes) + turn
        pen_eye = pen.at(x, -6, flip=side < 0)  # from here on, right is outwards
        if mood in ("tender", "calm"):
            pen_eye.stroke([(-18, -2), (0, 9), (18, 0)], 6, ink)
            if who.role in ("woman", "child"):
                pen_eye.line([(18, 0), (26, 6)], 5, ink)
        else:
            wide = {"tense": 17, "joyful": 14, "melancholy": 11, "menacing": 9}.get(mood, 12)
            pen_eye.oval(0, 0, 20, wide, white)
            pen_eye.oval(
                2 if side < 0 else -2,
                3 if mood == "melancholy" else 0,
                10 if mood != "tense" else 7,
                min(wide, 11),
                ink,
            )
            pen_eye.oval(-3, -4, 3, 3, white)
            if mood == "menacing":
                pen_eye.oval(0, 0, 7, 7, mix((255, 60, 30), who.lamp, 80))
            if mood in ("melancholy", "mysterious"):
                pen_eye.polygon([(-24, -16), (24, -16), (24, -2), (-24, -6)], mix(who.skin, who.ink, 36))
            if who.role == "woman":
                pen_eye.stroke([(-20, -5), (0, -wide - 1), (24, -9)], 6, ink)
        inner, outer = _BROWS[mood]
        pen_eye.line(
            [(-20, inner), (4, (inner + outer) / 2 - 5), (24, outer)],
            (8 if who.role != "woman" else 6) + face.brows,
            brow,
        )
        if face.glasses:
            rim = [(-28, -20), (-28, 14), (-10, 24), (10, 24), (28, 14), (28, -20), (-28, -20)]
            pen_eye.line(rim, 5, ink)
            pen_eye.line([(28, -12), (44, -16)], 5, ink)
            pen_eye.line([(-28, -8), (-33 - face.eyes, -8)], 5, ink)
    nose_x = turn * 1.6
    pen.stroke([(nose_x + 2, -2), (nose_x + 12 + turn * 0.6, 24 + face.nose), (nose_x - 2, 30 + face.nose)], 6, shade)
    if face.beard == "moustache":
        above = [(-40, 56), (-20, 40), (0, 44), (20, 40), (40, 56), (16, 52), (-16, 52)]
        pen.at(turn * 1.1, 0).curve(above, who.hair)
    _mouth(pen.at(turn * 1.1, 60), mood, lip, ink, white)
    if mood in ("tender", "joyful"):
        for x in (-46 + turn, 46 + turn):
            pen.oval(x, 32, 14, 10, mix(who.skin, (236, 84, 90), 90))
    if face.mole:
        pen.oval(face.mole * 50 + turn, 36, 6, 6, ink)
    if mood == "melancholy":
        pen.polygon([(34 + turn, 8), (26 + turn, 34), (42 + turn, 34)], (120, 190, 240))
        pen.oval(34 + turn, 36, 8, 9, (120, 190, 240))
    if mood == "tense":
        pen.polygon([(60, -60), (52, -40), (68, -40)], (150, 210, 250))
        pen.oval(60, -38, 8, 9, (150, 210, 250))
    if mood == "mysterious":
        pen.curve(
            [(-72, -44), (-76, 20), (-56, 70), (-18, 100), (2, 100), (-2, 40), (2, -90), (-40, -96)],
            mix(who.skin, who.ink, 190),
        )
    if who.role == "clown":
        pen.oval(turn * 1.6, 22, 22, 20, (222, 40, 44))
    if who.role == "fighter":
        pen.line([(48, 14), (30, 40)], 5, mix(who.skin, (170, 30, 40), 140))


_BROWS: dict[str, tuple[float, float]] = {
    "calm": (-34, -34),
    "epic": (-22, -36),
    "joyful": (-40, -38),
    "melancholy": (-44, -22),
    "menacing": (-14, -40),
    "mysterious": (-28, -32),
    "tender": (-36, -32),
    "tense": (-44, -38),
}
"""Height of the inner and the outer end."""


def _mouth(pen: Pen, mood: str, lip: Rgb, ink: Rgb, white: Rgb) -> None:
    if mood == "joyful":
        pen.curve([(-38, -10), (0, -6), (38, -10), (26, 20), (0, 28), (-26, 20)], ink)
        pen.curve([(-32, -8), (0, -4), (32, -8), (24, 3), (-24, 3)], white)
        pen.oval(0, 19, 14, 7, lip)
    elif mood == "tense":
        pen.curve([(-28, -8), (0, -12), (28, -8), (28, 12), (0, 14), (-28, 12)], ink)
        pen.box(-24, -7, 24, 9, white)
        for x in (-12, 0, 12):
            pen.box(x - 1.5, -7, x + 1.5, 9, ink)
    elif mood == "menacing":
        pen.curve([(-36, -8), (-10, 2), (10, 2), (36, -12), (20, 12), (-18, 14)], ink)
        for x in (-14, 12):
            pen.polygon([(x - 6, 1), (x + 6, 1), (x, 15)], white)
    else:
        bend = {"tender": 10, "calm": 8, "melancholy": -12, "epic": -3, "mysterious": 0}[mood]
        pen.stroke([(-24, -bend * 0.6), (0, bend * 0.6), (24, -bend * 0.6)], 9, lip)


def behind(pen: Pen, who: Person) -> None:
    """What of the hair hangs behind neck and shoulders."""
    if who.role == "woman" or (who.role == "child" and who.face.hair_style == 2):
        if who.face.hair_style == 0:
            pen.curve(
                [
                    (-50, -100),
                    (-98, -30),
                    (-108, 90),
                    (-92, 190),
                    (-30, 176),
                    (30, 176),
                    (92, 190),
                    (108, 90),
                    (98, -30),
                    (50, -100),
                ],
                who.hair,
            )
        elif who.face.hair_style == 1:
            pen.curve(
                [(-50, -104), (-100, -30), (-104, 60), (-70, 104), (70, 104), (104, 60), (100, -30), (50, -104)],
                who.hair,
            )
        else:
            pen.oval(-10, -118, 46, 42, who.hair)
    if who.role == "clown":
        for x, y, r in ((-96, -20, 50), (96, -20, 50), (-84, -70, 44), (84, -70, 44)):
            pen.oval(x, y, r, r, who.cloth2)
    if who.role == "astronaut":
        pen.oval(0, 6, 150, 146, mix(who.cloth, who.ink, 70))


def _hair(pen: Pen, who: Person) -> None:
    if who.role in ("astronaut", "knight", "hooded figure"):
        pen.curve([(-70, -30), (-66, -80), (0, -104), (66, -80), (70, -30), (30, -60), (-30, -60)], who.hair)
    elif who.role == "woman":
        pen.curve(
            [
                (-86, 30),
                (-88, -50),
                (-44, -112),
                (44, -112),
                (88, -50),
                (86, 30),
                (70, -20),
                (20, -72),
                (-40, -60),
                (-68, -14),
            ],
            who.hair,
        )
    elif who.role == "child":
        pen.curve(
            [
                (-80, -10),
                (-84, -70),
                (-50, -96),
                (-30, -124),
                (0, -104),
                (30, -122),
                (50, -98),
                (84, -70),
                (80, -10),
                (56, -56),
                (10, -44),
                (-30, -58),
                (-60, -36),
            ],
            who.hair,
        )
    elif who.role == "clown":
        pen.oval(-64, -82, 34, 30, who.cloth2)
        pen.oval(64, -82, 34, 30, who.cloth2)
    elif who.face.hair_style == 0:
        pen.curve(
            [
                (-80, -4),
                (-86, -60),
                (-50, -114),
                (30, -122),
                (84, -74),
                (80, -4),
                (68, -46),
                (20, -66),
                (-40, -62),
                (-66, -40),
            ],
            who.hair,
        )
    elif who.face.hair_style == 1:
        pen.curve(
            [(-78, -10), (-82, -70), (-20, -120), (60, -112), (82, -60), (78, -10), (66, -60), (0, -84), (-56, -66)],
            who.hair,
        )
    else:
        pen.curve(
            [
                (-80, -6),
                (-84, -70),
                (-30, -118),
                (20, -150),
                (70, -110),
                (84, -60),
                (78, -8),
                (64, -56),
                (10, -76),
                (-60, -60),
            ],
            who.hair,
        )


def _headgear(pen: Pen, who: Person) -> None:
    cloth, dark = who.cloth, mix(who.cloth, who.ink, 110)
    if who.role == "cowboy":
        pen.curve([(-86, -66), (-80, -150), (-40, -178), (0, -160), (40, -178), (80, -150), (86, -66)], cloth)
        pen.curve(
            [(-190, -96), (-150, -66), (0, -46), (150, -66), (190, -96), (140, -84), (0, -80), (-140, -84)], cloth
        )
        pen.curve([(-190, -96), (-150, -62), (0, -40), (150, -62), (190, -96), (150, -52), (0, -28), (-150, -52)], dark)
        pen.curve([(-86, -82), (0, -70), (86, -82), (88, -100), (0, -90), (-88, -100)], dark)
    elif who.role == "detective":
        pen.curve([(-80, -66), (-76, -130), (-44, -158), (0, -144), (44, -158), (76, -130), (80, -66)], cloth)
        pen.curve([(-84, -74), (0, -64), (84, -74), (84, -98), (0, -88), (-84, -98)], who.cloth2)
        pen.curve([(-136, -58), (-80, -76), (0, -66), (80, -76), (136, -58), (84, -48), (0, -42), (-84, -48)], cloth)
    elif who.role == "fighter":
        pen.curve([(-78, -52), (0, -68), (78, -52), (78, -30), (0, -46), (-78, -30)], who.cloth2)
        pen.polygon([(-74, -46), (-130, -20), (-112, -56), (-140, -66), (-74, -58)], who.cloth2)
    elif who.role == "knight":
        for side in (1, -1):
            pen.curve(
                [
                    (side * 40, -100),
                    (side * 94, -60),
                    (side * 98, 30),
                    (side * 78, 96),
                    (side * 58, 60),
                    (side * 62, -30),
                ],
                cloth if side > 0 else dark,
            )
        pen.curve([(-96, -34), (-88, -96), (0, -132), (88, -96), (96, -34), (40, -60), (0, -50), (-40, -60)], cloth)
        pen.polygon([(-10, -128), (10, -128), (8, -24), (-8, -24)], dark)
        pen.curve([(0, -126), (-50, -178), (-120, -170), (-160, -110), (-120, -130), (-60, -128)], who.cloth2)
    elif who.role == "astronaut":
        rim = [(-126, 0), (-90, -100), (0, -138), (90, -100), (126, 0), (100, 96), (0, 134), (-100, 96), (-126, 0)]
        pen.stroke(rim, 26, cloth)
        pen.stroke([(-96, -30), (-66, -84), (-20, -106)], 12, (255, 255, 255))
        pen.box(112, -24, 140, 40, who.cloth2)
        pen.box(-140, -24, -112, 40, who.cloth2)
    elif who.role == "clown":
        pen.polygon([(-44, -96), (44, -96), (10, -190)], who.cloth)
        pen.oval(10, -192, 16, 16, who.cloth2)
    elif who.role == "woman" and who.face.hair_style == 2:
        pen.oval(-84, 40, 7, 10, who.lamp)


def _hooded(pen: Pen, who: Person) -> None:
    pen.curve(
        [(-116, 120), (-118, -20), (-78, -110), (10, -160), (84, -100), (118, -20), (116, 120), (0, 160)], who.cloth
    )
    pen.curve(
        [(-84, 70), (-82, -20), (-48, -84), (4, -104), (52, -84), (82, -20), (84, 70), (0, 120)],
        mix(who.cloth2, (0, 0, 0), 120),
    )
    pen.curve([(-50, 62), (-54, 0), (0, -30), (54, 0), (50, 62), (0, 100)], mix(who.skin, who.ink, 190))
    glow = mix((255, 236, 190), who.lamp, 120)
    for x in (-26, 26):
        pen.polygon([(x - 20, 2 if x < 0 else 16), (x + 20, 16 if x < 0 else 2), (x, 24)], glow)
    pen.stroke(
        [(-100, 110), (-100, -20), (-62, -100), (6, -134), (66, -96), (100, -20), (100, 110)],
        10,
        mix(who.cloth, who.lamp, 60),
    )
