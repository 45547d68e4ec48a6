"""A scene to pixels. The same scene gives the same pixels wherever the pinned Pillow runs.

Layers, far to near: sky, setting, (blur), shadows, people and props with their light, weather, vignette, grain, title,
frame. All randomness comes from `scene.jitter`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from featurize.demo import buildings, interiors, landscapes, sky
from featurize.demo.canvas import OVERSAMPLE, Pen, pen_on, transparent
from featurize.demo.colours import Look, mix
from featurize.demo.figures import CHILD, EYES, figure
from featurize.demo.lettering import Box, Mark, set_title
from featurize.demo.people import cast
from featurize.demo.props import PROPS, draw_prop
from featurize.demo.scenes import Scene
from featurize.demo.staging import PropSpot, Spot, horizon_of, place_people, place_props

Paint = Callable[[Pen, float, float, float, Look, Random], None]

SETTINGS: dict[str, Paint] = {
    "beach": landscapes.beach,
    "castle": buildings.castle,
    "city": buildings.city,
    "desert": landscapes.desert,
    "forest": landscapes.forest,
    "haunted house": buildings.haunted_house,
    "living room": interiors.living_room,
    "meadow": landscapes.meadow,
    "mountains": landscapes.mountains,
    "outer space": interiors.outer_space,
    "snowfield": landscapes.snowfield,
    "spaceship": interiors.spaceship,
}
_INDOORS = ("living room", "spaceship", "outer space")
"""These paint their own sky, and no rain falls in them."""


@dataclass(frozen=True)
class Part:
    """Something in a picture and where it is, also where other things hide it.

    Kinds are role, head (of a person of the role), pose and facing of each person, prop, word, and letter.
    """

    kind: str
    name: str
    box: Box
    """Left, top, right and bottom as shares of the width and height."""


def render(scene: Scene, long_side: int | None = None) -> Image.Image:
    """The picture as RGB, `scene.width` × `scene.height` pixels, or scaled to a long side of `long_side`."""
    return render_with_parts(scene, long_side)[0]


def render_with_parts(scene: Scene, long_side: int | None = None) -> tuple[Image.Image, list[Part]]:
    """The picture that `render` gives, and what is where in it."""
    width, height = scene.width, scene.height
    if long_side is not None:
        longest = max(width, height)
        width, height = max(1, width * long_side // longest), max(1, height * long_side // longest)
    dice = Random(scene.jitter)
    look = Look(scene.palette, scene.mood)
    margin = min(width, height) // 28 if scene.framed else 0
    inner = width - 2 * margin, height - 2 * margin
    band = inner[1] * 22 // 100 if scene.title_text and scene.title_place == "band" else 0
    picture, people, props = _picture(scene, inner[0], inner[1] - band, look, dice)
    if not (margin or band):
        page = picture
    else:
        page = Image.new("RGB", (width, height), look.paper if margin else look.ink)
        page.paste(picture, (margin, margin))
    found: list[Mark] = []
    if scene.title_text:
        found = _title(page, scene, (margin, margin, margin + inner[0], margin + inner[1]), band, look, dice)
    unit = min(picture.size) / 1000
    for kind, name, box in _cast_parts(scene, people, props):
        x0, x1 = (margin + min(max(x * unit, 0), picture.width) for x in box[::2])
        y0, y1 = (margin + min(max(y * unit, 0), picture.height) for y in box[1::2])
        found.append((kind, name, (x0, y0, x1, y1)))
    return page, [
        Part(kind, name, (left / width, top / height, right / width, bottom / height))
        for kind, name, (left, top, right, bottom) in found
    ]


def _cast_parts(scene: Scene, people: list[Spot], props: list[PropSpot]) -> list[tuple[str, str, Box]]:
    """Kind, name and box in units of the picture, which it may leave."""
    parts: list[tuple[str, str, Box]] = []
    for role, spot in zip(scene.people, people, strict=True):
        tall = spot.tall * (CHILD if role == "child" else 1)
        body = (spot.x - 0.12 * tall, spot.y - tall, spot.x + 0.12 * tall, spot.y)
        eyes = spot.y - EYES * tall
        head = (spot.x - 0.06 * tall, eyes - 0.07 * tall, spot.x + 0.06 * tall, eyes + 0.07 * tall)
        parts += [("role", role, body), ("head", role, head)]
        if spot.pose:
            parts.append(("pose", spot.pose, body))
        if spot.facing:
            parts.append(("facing", "left" if spot.facing < 0 else "right", head))
    parts += [("prop", spot.name, (spot.left, spot.top, spot.left + spot.size, spot.top + spot.size)) for spot in props]
    return parts


def _picture(
    scene: Scene, width: int, height: int, look: Look, dice: Random
) -> tuple[Image.Image, list[Spot], list[PropSpot]]:
    unit = min(width, height) / 1000
    wide, high = width / unit, height / unit
    horizon = horizon_of(scene, high)
    image = sky.gradient((width * OVERSAMPLE, height * OVERSAMPLE), horizon / high, look.sky)
    pen = pen_on(image, unit * OVERSAMPLE)
    lean = pen.at(wide / 2, high / 2, turn=look.light.tilt * dice.choice((-1, 1))).at(-wide / 2, -high / 2)
    if scene.setting not in _INDOORS:
        sky.backdrop(lean, wide, horizon, look, dice)
    SETTINGS[scene.setting](lean, wide, high, horizon, look, dice)
    image = image.reduce(OVERSAMPLE)
    near = scene.shot in ("close-up", "medium shot", "still life")
    if near:
        image = image.filter(ImageFilter.BoxBlur(max(1, int(unit * (9 if scene.shot == "close-up" else 6)))))
    people = place_people(scene, wide, high, dice)
    props = place_props(scene, wide, high, people)
    if scene.shot == "still life":
        _glow(
            image, width // 2, int((props[0].top + props[0].size / 2) * unit), int(props[0].size * unit), look.lamp, 150
        )
    elif people:
        x, y = (
            sum(spot.x for spot in people) / len(people),
            sum(spot.y - spot.tall * 0.6 for spot in people) / len(people),
        )
        reach = people[0].tall * (0.5 + 0.1 * len(people))
        _glow(image, int(x * unit), int(y * unit), int(reach * unit), look.lamp, 70 + look.light.rim // 3)
    _vignette(image, look)
    if look.dark and people:
        for prop in props:  # or they would be lost in the night
            x, y = prop.left + prop.size / 2, prop.top + prop.size / 2
            _glow(image, int(x * unit), int(y * unit), int(prop.size * unit * 0.8), look.lamp, 80)
    page = pen_on(image, unit)
    if not near or not people:
        _shadows(page, people, props, look)
    _paste_cast(image, scene, people, props, look, dice)
    sky.weather(image, page, wide, high, look, dice, indoors=scene.setting in _INDOORS)
    return _grain(image, dice), people, props


def _shadows(pen: Pen, people: list[Spot], props: list[PropSpot], look: Look) -> None:
    for spot in people:
        pen.oval(spot.x, spot.y, spot.tall * 0.19, spot.tall * 0.035, (*look.ink, 110))
    for prop in props:
        if not PROPS[prop.name].airborne:
            pen.oval(
                prop.left + prop.size / 2, prop.top + prop.size, prop.size * 0.5, prop.size * 0.09, (*look.ink, 110)
            )


def _paste_cast(
    image: Image.Image, scene: Scene, people: list[Spot], props: list[PropSpot], look: Look, dice: Random
) -> None:
    """People and props: drawn on a layer of their own, so that light can fall on their edges."""
    layer, pen = transparent(*image.size)
    for prop in props:
        if PROPS[prop.name].airborne:
            draw_prop(pen, prop.name, prop.left, prop.top, prop.size, look)
    actors = scene.actors or (None,) * scene.people_count
    for role, actor, spot in reversed(list(zip(scene.people, actors, people, strict=True))):
        figure(pen.at(spot.x, spot.y, spot.tall / 1000), cast(role, spot.facing, spot.pose, look, dice, actor))
    for prop in props:
        if not PROPS[prop.name].airborne:
            draw_prop(pen, prop.name, prop.left, prop.top, prop.size, look)
    left, top, right, bottom = layer.getbbox() or (0, 0, 2, 2)
    left, top = left // OVERSAMPLE, top // OVERSAMPLE
    size = (-(-right // OVERSAMPLE) - left, -(-bottom // OVERSAMPLE) - top)
    box = (left * OVERSAMPLE, top * OVERSAMPLE, (left + size[0]) * OVERSAMPLE, (top + size[1]) * OVERSAMPLE)
    layer = layer.crop(box).reduce(OVERSAMPLE)
    mask = layer.getchannel("A")
    colours = layer.convert("RGB")
    if look.light.shade:
        colours.paste(look.ink, (0, 0), _fade(min(255, look.light.shade + 20)).resize(size, Image.Resampling.BILINEAR))
    step = max(1, min(image.size) // 130)
    rim = ImageChops.subtract(mask, ImageChops.offset(mask, -step if scene.layout == "left" else step, step))
    colours.paste(mix(look.lamp, (255, 255, 255), 60), (0, 0), rim.point(_share(look.light.rim)))
    image.paste(colours, (left, top), mask)


def _share(strength: int) -> list[int]:
    """A table that scales a mask to `strength` of 255."""
    return [value * strength // 255 for value in range(256)]


@lru_cache
def _fade(strength: int) -> Image.Image:
    """From nothing at the top to `strength` of 255 at the bottom, 256 × 256."""
    return Image.linear_gradient("L").point(_share(strength))


@lru_cache
def _disc(strength: int) -> Image.Image:
    """Light falling off from the middle, 256 × 256."""
    return Image.radial_gradient("L").point([(255 - v) * (255 - v) // 255 * strength // 255 for v in range(256)])


def _glow(image: Image.Image, x: int, y: int, radius: int, colour: tuple[int, int, int], strength: int) -> None:
    """A soft light around (x, y), in pixels; only the part that lies in the picture is computed."""
    left, top = max(0, x - radius), max(0, y - radius)
    right, bottom = min(image.width, x + radius), min(image.height, y + radius)
    if right <= left or bottom <= top:
        return
    grid = 128 / radius
    source = ((left - x) * grid + 128, (top - y) * grid + 128, (right - x) * grid + 128, (bottom - y) * grid + 128)
    mask = _disc(strength).resize((right - left, bottom - top), Image.Resampling.BILINEAR, source)
    image.paste(colour, (left, top), mask)


def _vignette(image: Image.Image, look: Look) -> None:
    if look.light.vignette:
        image.paste(look.ink, (0, 0), _corners(look.light.vignette).resize(image.size, Image.Resampling.BILINEAR))


@lru_cache
def _corners(strength: int) -> Image.Image:
    return Image.radial_gradient("L").point([max(0, v - 96) * strength // 159 for v in range(256)])


@lru_cache
def _noise() -> Image.Image:
    """A 1024 × 1024 sheet of film grain around the middle grey."""
    grain = np.random.Generator(np.random.PCG64(1)).integers(0, 27, (1024, 1024)) + 115
    sheet = Image.fromarray(grain.astype(np.uint8))
    return Image.merge("RGB", (sheet, sheet, sheet))


def _grain(image: Image.Image, dice: Random) -> Image.Image:
    x, y = dice.randrange(100), dice.randrange(100)
    return ImageChops.soft_light(image, _noise().crop((x, y, x + image.width, y + image.height)))


def _title(
    page: Image.Image, scene: Scene, area: tuple[int, int, int, int], band: int, look: Look, dice: Random
) -> list[Mark]:
    left, top, right, bottom = area
    width, height = right - left, bottom - top
    pad = width // 16
    fill, shade = look.paper, look.ink
    if scene.title_place == "band":
        bright = scene.mood in ("joyful", "calm", "tender")
        ground = look.paper if bright else look.ink
        fill, shade = (look.main[1] if bright else look.accent[3]), ground
        page.paste(ground, (left, bottom - band, right, bottom))
        box = left + pad, bottom - band + band // 8, right - pad, bottom - band // 12
    else:
        deep = height * 30 // 100
        scrim = _fade(215).resize((width, deep), Image.Resampling.BILINEAR)
        if scene.title_place == "top":
            scrim = scrim.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
            page.paste(look.ink, (left, top), scrim)
            box = left + pad, top + height // 24, right - pad, top + height * 21 // 100
        else:
            page.paste(look.ink, (left, bottom - deep), scrim)
            box = left + pad, bottom - height * 21 // 100, right - pad, bottom - height // 40
        if scene.theme in ("action", "comedy", "family", "western", "romance"):
            fill = look.accent[3]
    return set_title(page, box, scene.title_text or "", scene.theme, scene.layout, look, (fill, shade), dice)
