"""Where everybody stands: places of people and props for a scene's shot, arrangement and layout. Lengths in units."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from featurize.demo.figures import CHILD, CHILD_CLOSER, EYES
from featurize.demo.props import PROPS
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
    """The square a prop gets: its left and top edge and its side."""

    name: str
    left: float
    top: float
    size: float


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
        tall = min(
            (height - top) / 0.52,
            width * (1.5 if count == 1 else 0.96 + 0.08 * count) / (reach + 0.46) * (0.8 if count == 1 else 1),
        )
        feet = height * (0.98 if not low_title else 0.93) + tall * 0.47
    else:
        face = min(height * 0.46, width * (0.58 if count == 1 else 0.42))
        tall = face / 0.148
        eyes = height * (0.56 if high_title else 0.42 if low_title else 0.5)
        feet = eyes + tall * 0.9
        centre = width * {"left": 0.44, "centre": 0.5, "right": 0.56}[scene.layout]
    half = tall * (reach / 2 + (0.2 if scene.shot in ("full shot", "wide shot") else 0.05))
    centre = min(max(centre, half + width * 0.04), width * 0.96 - half) if 2 * half < width * 0.92 else width / 2
    middle = (max(x for x, *_ in offsets) + min(x for x, *_ in offsets)) / 2
    sway = dice.choice((-1, 0, 1)) if count == 1 else 0
    spots = []
    for role, (x, lift, size, facing, pose) in zip(scene.people, offsets, strict=True):
        own, y = tall * size, feet - lift * tall
        if role == "child" and scene.shot == "close-up":
            # A child's head is smaller and lower; the camera comes nearer and stoops.
            own, y = own * CHILD_CLOSER, y + own * (CHILD_CLOSER * CHILD - 1) * EYES
        elif role == "child" and scene.shot == "medium shot":
            own *= 1.3
        if scene.shot == "close-up" and pose != "hug":
            pose = "stand"
        spots.append(Spot(centre + (x - middle) * tall, y, own, facing or sway, pose))
    return spots


def _offsets(arrangement: str, count: int, shot: str) -> list[tuple[float, float, float, int, str | None]]:
    """(x, lift, size, facing, pose) of each person, x and lift in heights of a grown person."""
    if arrangement == "facing each other":
        gap = {"close-up": 0.088, "medium shot": 0.24}.get(shot, 0.3)
        return [(-gap, 0, 1, 1, "reach"), (gap, 0, 1, -1, "reach")]
    if arrangement == "embracing":
        gap = 0.066 if shot == "close-up" else 0.085
        return [(-gap, 0, 1, 1, "hug"), (gap, 0, 1, -1, "hug")]
    if arrangement == "back to back":
        gap = 0.078 if shot == "close-up" else 0.115
        return [(gap, 0, 1, 1, "crossed"), (-gap, 0, 1, -1, "crossed")]
    if arrangement == "in a group":
        steps = ((0, 0, 1), (-0.2, 0.05, 0.92), (0.2, 0.05, 0.92), (-0.38, 0.1, 0.86), (0.38, 0.1, 0.86))
        front = "stand" if shot == "medium shot" else "hero"
        return [(x, lift, size, 0, "stand" if at else front) for at, (x, lift, size) in enumerate(steps[:count])]
    gap = {"close-up": 0.17, "medium shot": 0.27}.get(shot, 0.33)
    return [((i - (count - 1) / 2) * gap, 0, 1, 0, None if count < 3 else "stand") for i in range(count)]


def place_props(scene: Scene, width: float, height: float, people: list[Spot]) -> list[PropSpot]:
    """Props in the corners the people leave free; alone in the middle when there are no people."""
    short = min(width, height)
    low_title = scene.title_text is not None and scene.title_place == "bottom"
    high_title = scene.title_text is not None and scene.title_place == "top"
    floor = height * (0.76 if low_title else 0.96)
    ceiling = height * (0.24 if high_title else 0.06)
    if scene.shot == "still life":
        size = min(short * 0.68, (floor - ceiling) * 0.84)
        return [PropSpot(scene.props[0], (width - size) / 2, (floor + ceiling - size) / 2, size)]
    size = short * {"wide shot": 0.25, "full shot": 0.28}.get(scene.shot, 0.29)
    standing = size
    if people and scene.shot in ("close-up", "medium shot"):
        chins = max(spot.y - 0.83 * spot.tall for spot in people)
        standing = min(size, max(floor - chins, short * 0.2))  # nothing in front of a face
    centre = sum(spot.x for spot in people) / len(people) if people else width * 0.5
    first_left = centre > width / 2
    spots = []
    for at, name in enumerate(scene.props):
        side = size if PROPS[name].airborne else standing
        left = width * 0.04 if first_left == (at == 0) else width * 0.96 - side
        spots.append(PropSpot(name, left, ceiling if PROPS[name].airborne else floor - side, side))
    return spots
