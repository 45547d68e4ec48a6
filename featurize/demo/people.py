"""Who is in a picture: role, build, clothes, hair and pose, drawn by lot from the scene's jitter."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from featurize.demo.actors import Actor, Face
from featurize.demo.colours import HAIRS, SKINS, Look, Rgb, mix


@dataclass(frozen=True)
class Person:
    """One figure; colours are already in the light of the picture."""

    role: str
    facing: int
    """-1 left, 0 towards us, 1 right."""
    pose: str
    mood: str
    skin: Rgb
    hair: Rgb
    face: Face
    cloth: Rgb
    cloth2: Rgb
    ink: Rgb
    paper: Rgb
    lamp: Rgb


POSES: dict[str, tuple[str, ...]] = {
    "calm": ("stand", "stand"),
    "epic": ("hero", "hero"),
    "joyful": ("cheer", "wave"),
    "melancholy": ("bow", "bow"),
    "menacing": ("loom", "loom"),
    "mysterious": ("stand", "walk"),
    "tender": ("stand", "stand"),
    "tense": ("run", "guard"),
}

_OWN_CLOTHES: dict[str, tuple[Rgb, Rgb]] = {
    "astronaut": ((232, 236, 240), (250, 130, 40)),
    "cowboy": ((150, 92, 50), (196, 44, 40)),
    "detective": ((190, 160, 116), (60, 50, 46)),
    "fighter": ((54, 58, 64), (206, 40, 40)),
    "hooded figure": ((34, 28, 40), (16, 12, 18)),
    "knight": ((176, 184, 196), (150, 34, 44)),
}


def cast(role: str, facing: int, pose: str | None, look: Look, dice: Random, actor: Actor | None = None) -> Person:
    """A person for a role, with the face of the actor who plays it; `pose` None leaves it to the mood."""
    extra = _extra(role, dice)
    face = actor.face if actor else extra
    pose = pose or dice.choice(POSES[look.mood])
    own = _OWN_CLOTHES.get(role)
    if own:
        cloth, cloth2 = look.lit(own[0]), look.lit(own[1])
    else:
        paints = [look.accent[2], look.accent[3], look.main[1], look.paper, look.accent[1]]
        cloth = mix(paints.pop(dice.randrange(len(paints))), look.ink, look.light.shade // 2)
        cloth2 = mix(paints.pop(dice.randrange(len(paints))), look.ink, look.light.shade // 2)
    return Person(
        role,
        facing,
        pose,
        look.mood,
        look.skin(face.skin),
        look.skin(face.hair),
        face,
        cloth,
        cloth2,
        look.ink,
        mix(look.paper, look.ink, look.light.shade // 2),
        look.lamp,
    )


def _extra(role: str, dice: Random) -> Face:
    """The common face, with skin, hair and beard by lot."""
    skin, hair, style = dice.choice(SKINS), dice.choice(HAIRS), dice.randrange(3)
    beard = role in ("man", "cowboy", "knight") and dice.random() < 0.4
    return Face(skin, hair, style, "full" if beard else "none", 0, 0, 0, 0, 0, 0, False)
