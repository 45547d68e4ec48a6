"""Where everybody stands: the places of people and props for a scene's shot, arrangement and layout. Lengths in units."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from featurize.demo.props import AIRBORNE
from featurize.demo.scenes import Scene


@dataclass(frozen=True)
class Spot:
    """Where one person's feet are, and how tall a grown person would be there."""

    x: float
    y: float
    tall: float
    facing: int
    pose: str | None


@dataclass(frozen=True)
class PropSpot:
    """Middle of a prop and its width."""

    name: str
    x: float
    y: float
    wide: float


def horizon_of(scene: Scene, height: float) -> float:
    return height * {"wide shot": 0.64, "full shot": 0.66, "still life": 0.6}.get(scene.shot, 0.6)


def place_people(scene: Scene, width: float, height: float, dice: Random) -> list[Spot]:
    """One spot per person, in the order of `scene.people`; draw them last to first."""
    count = scene.people_count
    if not count:
        return []
    offsets = _offsets(scene.arrangement, count, scene.shot)
    reach = max(x for x, *_ in offsets) - min(x for x, *_ in offsets)
    centre = width * {"left": 0.38, "centre": 0.5, "right": 0.62}[scene.layout]
    low_title = scene.title_text is not None and scene.title_place == "bottom"
    high_title = scene.title_text is not None and scene.title_place == "top"
    if scene.shot == "wide shot":
        tall = min(height * 0.3, width * 0.9 / (reach + 0.4))
        feet = height * (0.76 if low_title else 0.86)
        centre = width * {"left": 0.3, "centre": 0.5, "right": 0.7}[scene.layout]
    elif scene.shot == "full shot":
        tall = min(height * (0.66 if not low_title else 0.62), width / (reach + 0.5))
        feet = height * (0.82 if low_title else 0.94)
    elif scene.shot == "medium shot":
        top = height * (0.26 if high_title else 0.16)
        tall = min((height - top) / 0.52, width * (1.5 if count == 1 else 0.96 + 0.08 * count) / (reach + 0.46) * (0.8 if count == 1 else 1))
        feet = height * (0.98 if not low_title else 0.93) + tall * 0.47
    else:
        face = min(height * 0.47, width * (0.62 if count == 1 else 0.44))
        tall = face / 0.148
        eyes = height * (0.56 if high_title else 0.42 if low_title else 0.5)
        feet = eyes + tall * 0.9
        centre = width * {"left": 0.44, "centre": 0.5, "right": 0.56}[scene.layout]
    half = tall * (reach / 2 + (0.2 if scene.shot in ("full shot", "wide shot") else 0.05))
    centre = min(max(centre, half + width * 0.04), width * 0.96 - half) if 2 * half < width * 0.92 else width / 2
    middle = (max(x for x, *_ in offsets) + min(x for x, *_ in offsets)) / 2
    sway = dice.choice((-1, 0, 1)) if count == 1 else 0
    return [
        Spot(centre + (x - middle) * tall, feet - lift * tall, tall * size, facing or sway, pose)
        for x, lift, size, facing, pose in offsets
    ]


def _offsets(arrangement: str, count: int, shot: str) -> list[tuple[float, float, float, int, str | None]]:
    """(x, lift, size, facing, pose) of each person, x and lift in heights of a grown person."""
    near = {"close-up": 0.58, "medium shot": 0.82}.get(shot, 1.0)
    if arrangement == "facing each other":
        gap = 0.3 * near
        return [(-gap, 0, 1, 1, "reach" if shot != "close-up" else "stand"), (gap, 0, 1, -1, "reach" if shot != "close-up" else "stand")]
    if arrangement == "embracing":
        gap = 0.085 if shot != "close-up" else 0.066
        return [(-gap, 0, 1, 1, "hug"), (gap, 0, 1, -1, "hug")]
    if arrangement == "back to back":
        gap = 0.115
        return [(gap, 0, 1, 1, "crossed"), (-gap, 0, 1, -1, "crossed")]
    if arrangement == "in a group":
        steps = ((0, 0, 1), (-0.2, 0.05, 0.92), (0.2, 0.05, 0.92), (-0.38, 0.1, 0.86), (0.38, 0.1, 0.86))
        return [(x, lift, size, 0, "hero" if not at and shot != "medium shot" else "stand") for at, (x, lift, size) in enumerate(steps[:count])]
    gap = 0.36 * near if count <= 2 else 0.31 * near
    return [((i - (count - 1) / 2) * gap, 0, 1, 0, None if count < 3 else "stand") for i in range(count)]


def place_props(scene: Scene, width: float, height: float, people: list[Spot]) -> list[PropSpot]:
    """Props in the corners the people leave free; alone in the middle when there are no people."""
    short = min(width, height)
    low_title = scene.title_text is not None and scene.title_place == "bottom"
    high_title = scene.title_text is not None and scene.title_place == "top"
    floor = height * (0.76 if low_title else 0.96)
    ceiling = height * (0.24 if high_title else 0.06)
    if scene.shot == "still life":
        wide = min(short * 0.62, (floor - ceiling) * 0.72)
        return [PropSpot(scene.props[0], width / 2, (floor + ceiling) / 2 + (0 if scene.props[0] in AIRBORNE else wide * 0.12), wide)]
    wide = short * {"wide shot": 0.24, "full shot": 0.27}.get(scene.shot, 0.3)
    centre = sum(spot.x for spot in people) / len(people) if people else width * 0.5
    first_left = centre > width / 2
    spots = []
    for at, name in enumerate(scene.props):
        left = first_left == (at == 0)
        x = width * 0.05 + wide * 0.52 if left else width * 0.95 - wide * 0.52
        y = ceiling + wide * 0.62 if name in AIRBORNE else floor - wide * 0.55
        spots.append(PropSpot(name, x, y, wide))
    return spots
