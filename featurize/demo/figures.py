"""Whole bodies: legs, clothes and arms below the heads of `faces`.

A grown person is 1000 units tall and stands on the origin. A child is drawn by the same code, smaller and with a larger
head. Someone who faces left is the mirror image of someone who faces right.
"""

from __future__ import annotations

from dataclasses import replace

from featurize.demo.canvas import Pen, Point
from featurize.demo.colours import mix
from featurize.demo.faces import behind, head
from featurize.demo.people import Person

CHILD = 0.62
"""Height of a child against a grown person."""
EYES = 0.906
"""Height of the eyes against the whole body."""
HEAD, CHILD_HEAD = 0.74, 0.9
"""Size of the head against the body's units."""
CHILD_CLOSER = HEAD / (CHILD_HEAD * CHILD)
"""How much nearer a camera must come to a child for a head as large as a grown person's."""

Arm = tuple[Point, Point]
_ARMS: dict[str, tuple[Arm, Arm]] = {
    # (elbow, hand) of the left and of the right arm as seen by us
    "stand": (((-152, -620), (-150, -450)), ((152, -620), (150, -450))),
    "hero": (((-232, -650), (-112, -520)), ((232, -650), (112, -520))),
    "cheer": (((-200, -870), (-226, -1050)), ((200, -870), (226, -1050))),
    "wave": (((-156, -620), (-150, -450)), ((210, -850), (206, -1030))),
    "bow": (((-132, -610), (-116, -440)), ((132, -610), (116, -440))),
    "loom": (((-216, -660), (-290, -520)), ((216, -660), (290, -520))),
    "walk": (((-170, -630), (-190, -470)), ((160, -620), (214, -490))),
    "run": (((-190, -640), (-120, -540)), ((190, -690), (260, -800))),
    "guard": (((-160, -640), (-40, -700)), ((170, -640), (110, -750))),
    "reach": (((90, -640), (250, -660)), ((170, -680), (290, -700))),
    "hug": (((60, -660), (180, -640)), ((180, -730), (270, -690))),
    "crossed": (((-156, -640), (60, -660)), ((156, -640), (-60, -640))),
}
_LEGS: dict[str, tuple[Arm, Arm]] = {
    # (knee, foot)
    "stand": (((-52, -260), (-56, -20)), ((52, -260), (56, -20))),
    "hero": (((-90, -260), (-130, -20)), ((90, -260), (130, -20))),
    "walk": (((-50, -260), (-130, -40)), ((84, -270), (120, -20))),
    "run": (((-70, -250), (-240, -170)), ((150, -370), (130, -130))),
}
_STRIDE = {"hero": "hero", "loom": "hero", "walk": "walk", "run": "run", "guard": "hero", "cheer": "hero"}


def figure(pen: Pen, who: Person) -> None:
    """A whole person, feet on the origin."""
    near = pen.at(0, 0, CHILD if who.role == "child" else 1.0, flip=who.facing < 0)
    left, right = _ARMS[who.pose]
    sleeve = _sleeve(who)
    upper_left, upper_right = (-104.0, -782.0), (104.0, -782.0)
    bent = 36 if who.pose == "bow" else 0
    size = CHILD_HEAD if who.role == "child" else HEAD
    top = near.at(16 + bent if who.facing or bent else 0, -1000 * EYES + bent, size)
    mirrored = replace(who, facing=abs(who.facing))  # the pen is mirrored already: within it everyone faces right
    if who.role == "knight":
        near.curve([(-110, -800), (-180, -400), (-220, -60), (160, -60), (150, -400), (110, -800)], who.cloth2)
    if who.role == "astronaut":
        near.curve(
            [(-140, -820), (-160, -560), (-120, -500), (120, -500), (160, -560), (140, -820)],
            mix(who.cloth, who.ink, 90),
        )
    behind(top, mirrored)
    _arm(near, upper_left, left, sleeve, who)
    _legs(near, who)
    _trunk(near, who)
    near.limb((0, -850), (0, -790), 58, 70, mix(who.skin, who.ink, 60))
    _collar(near, who)
    _arm(near, upper_right, right, sleeve, who)
    if who.pose == "crossed":
        _arm(near, upper_left, left, sleeve, who)
    head(top, mirrored)


def _sleeve(who: Person) -> tuple[int, int, int]:
    return who.skin if who.role == "fighter" else mix(who.cloth, who.ink, 34)


def _arm(pen: Pen, shoulder: Point, joints: Arm, sleeve: tuple[int, int, int], who: Person) -> None:
    elbow, hand = joints
    thick = {"astronaut": 84, "hooded figure": 90, "knight": 70, "woman": 46}.get(who.role, 60)
    reach = (hand[0] + (hand[0] - elbow[0]) * 0.13, hand[1] + (hand[1] - elbow[1]) * 0.13)
    pen.oval(*reach, 27, 27, who.skin if who.role not in ("astronaut", "knight") else mix(who.cloth2, who.ink, 30))
    pen.limb(shoulder, elbow, thick, thick * 0.8, sleeve)
    end = thick * (1.3 if who.role == "hooded figure" else 0.66)
    pen.limb(elbow, hand, thick * 0.8, end, sleeve if who.role != "woman" or who.face.hair_style else who.skin)
    if who.role == "hooded figure":
        pen.oval(*reach, 22, 22, mix(who.skin, who.ink, 120))


def _legs(pen: Pen, who: Person) -> None:
    stride = _LEGS[_STRIDE.get(who.pose, "stand")]
    role = who.role
    if role == "hooded figure":
        return
    trousers = {
        "fighter": mix(who.cloth, who.ink, 90),
        "cowboy": mix((52, 74, 116), who.ink, 70),
        "detective": who.cloth2,
        "knight": mix(who.cloth, who.ink, 60),
        "astronaut": who.cloth,
        "clown": who.cloth2,
        "woman": who.skin,
    }.get(role, mix(who.cloth2, who.ink, 80))
    thick = {"astronaut": 112, "clown": 120, "woman": 62}.get(role, 86)
    boot = {
        "cowboy": mix((110, 62, 34), who.ink, 60),
        "clown": (212, 52, 44),
        "astronaut": mix(who.cloth, who.ink, 80),
    }.get(role, who.ink)
    for side, (knee, foot) in zip((-1, 1), stride, strict=True):
        colour = trousers if side > 0 else mix(trousers, who.ink, 40)
        pen.limb((side * 46, -480), knee, thick, thick * 0.72, colour)
        pen.limb(knee, foot, thick * 0.72, thick * 0.5, colour)
        toe = 26 if who.facing else side * 16
        if role in ("cowboy", "astronaut", "knight"):
            pen.limb(((knee[0] + foot[0]) / 2, (knee[1] + foot[1]) / 2), foot, thick * 0.66, thick * 0.62, boot)
        long = 84 if role == "clown" else 50
        pen.oval(foot[0] + toe, foot[1] + 6, long, 26, boot)


def _trunk(pen: Pen, who: Person) -> None:
    cloth, dark, role = who.cloth, mix(who.cloth, who.ink, 64), who.role
    if role == "woman":
        pen.curve(
            [
                (-96, -796),
                (-82, -690),
                (-66, -590),
                (-104, -470),
                (-176, -250),
                (0, -226),
                (176, -250),
                (104, -470),
                (66, -590),
                (82, -690),
                (96, -796),
                (0, -800),
            ],
            cloth,
        )
        pen.curve([(-66, -590), (-104, -470), (-176, -250), (-90, -236), (-50, -450)], dark)
        pen.box(-68, -606, 68, -576, who.cloth2)
        return
    if role == "hooded figure":
        pen.curve(
            [
                (-120, -810),
                (-150, -500),
                (-190, -160),
                (-200, 0),
                (-90, 14),
                (0, -4),
                (90, 14),
                (200, 0),
                (190, -160),
                (150, -500),
                (120, -810),
            ],
            cloth,
        )
        for x in (-90, -30, 40, 100):
            pen.polygon([(x * 0.5, -560), (x - 10, 0), (x + 10, 0)], who.cloth2)
        return
    if role == "detective":
        pen.curve(
            [
                (-124, -806),
                (-118, -640),
                (-104, -540),
                (-156, -260),
                (0, -250),
                (156, -260),
                (104, -540),
                (118, -640),
                (124, -806),
                (0, -826),
            ],
            cloth,
        )
        pen.curve([(-124, -806), (-118, -640), (-104, -540), (-156, -260), (-80, -254), (-60, -560), (-70, -800)], dark)
        pen.box(-108, -566, 108, -532, who.cloth2)
        return
    wide = {"astronaut": 1.22, "child": 0.92, "clown": 1.2}.get(role, 1.0)
    shape = [
        (-122, -804),
        (-126, -700),
        (-98, -560),
        (-98, -450),
        (98, -450),
        (98, -560),
        (126, -700),
        (122, -804),
        (50, -830),
        (-50, -830),
    ]
    pen.curve([(x * wide, y) for x, y in shape], cloth)
    pen.curve(
        [
            (x * wide, y)
            for x, y in [(-122, -804), (-126, -700), (-98, -560), (-98, -450), (-40, -448), (-50, -600), (-60, -810)]
        ],
        dark,
    )
    if role == "man" and who.face.hair_style != 1:
        pen.polygon([(-34, -828), (34, -828), (0, -640)], who.paper)
        pen.polygon([(-10, -810), (10, -810), (14, -690), (0, -660), (-14, -690)], who.cloth2)
    elif role == "man":
        pen.box(-100, -470, 100, -446, who.ink)
    elif role == "cowboy":
        pen.polygon([(-44, -826), (44, -826), (30, -456), (-30, -456)], who.paper)
        pen.box(-100, -486, 100, -450, mix((80, 46, 26), who.ink, 60))
        pen.box(-18, -490, 18, -446, mix((240, 200, 90), who.ink, 40))
    elif role == "fighter":
        pen.line([(-80, -810), (80, -490)], 24, who.ink)
        pen.box(-102, -490, 102, -450, who.cloth2)
    elif role == "knight":
        pen.curve([(-60, -790), (60, -790), (70, -560), (0, -430), (-70, -560)], who.cloth2)
        pen.box(-14, -770, 14, -500, who.paper)
        pen.box(-52, -690, 52, -662, who.paper)
        for x in (-118, 118):
            pen.oval(x, -782, 52, 44, cloth)
    elif role == "astronaut":
        pen.box(-70, -710, 70, -600, mix(cloth, who.ink, 50))
        for x, colour in ((-44, who.cloth2), (0, who.lamp), (44, (90, 200, 120))):
            pen.oval(x, -655, 16, 16, colour)
        pen.box(-124, -500, 124, -474, who.cloth2)
    elif role == "clown":
        for y in (-740, -640, -540):
            pen.oval(0, y, 24, 24, who.cloth2)
    elif role == "child":
        for y in (-700, -600):
            pen.box(-106, y, 106, y + 44, who.cloth2)


def _collar(pen: Pen, who: Person) -> None:
    if who.role == "cowboy":
        pen.polygon([(-70, -822), (70, -822), (0, -720)], who.cloth2)
    elif who.role == "clown":
        for x in (-80, -40, 0, 40, 80):
            pen.oval(x, -806, 32, 30, who.paper)
    elif who.role == "detective":
        pen.polygon([(-84, -826), (-20, -800), (-60, -690)], mix(who.cloth, who.ink, 40))
        pen.polygon([(84, -826), (20, -800), (60, -690)], mix(who.cloth, who.ink, 40))
    elif who.role == "woman":
        pen.curve([(-50, -800), (0, -750), (50, -800), (20, -822), (-20, -822)], who.skin)
    elif who.role == "astronaut":
        pen.oval(0, -806, 96, 34, mix(who.cloth, who.ink, 60))
