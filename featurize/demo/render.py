"""A scene to pixels. The same scene gives the same pixels wherever the pinned Pillow runs.

Layers, far to near: sky, setting, (blur), shadows, people and props with their light, weather, vignette, grain, title,
frame. All randomness comes from `scene.jitter`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from featurize.demo import backgrounds, interiors, sky
from featurize.demo.canvas import OVERSAMPLE, Pen, new_pen
from featurize.demo.colours import Look, mix
from featurize.demo.figures import figure
from featurize.demo.lettering import set_title
from featurize.demo.people import cast
from featurize.demo.props import PROPS, AIRBORNE
from featurize.demo.scenes import Scene
from featurize.demo.staging import PropSpot, Spot, horizon_of, place_people, place_props

Paint = Callable[[Pen, float, float, float, Look, Random], None]

SETTINGS: dict[str, Paint] = {
    "beach": backgrounds.beach,
    "castle": backgrounds.castle,
    "city": backgrounds.city,
    "desert": backgrounds.desert,
    "forest": backgrounds.forest,
    "haunted house": backgrounds.haunted_house,
    "living room": interiors.living_room,
    "meadow": backgrounds.meadow,
    "mountains": backgrounds.mountains,
    "outer space": interiors.outer_space,
    "snowfield": backgrounds.snowfield,
    "spaceship": interiors.spaceship,
}
_INDOORS = ("living room", "spaceship", "outer space")


def render(scene: Scene, long_side: int | None = None) -> Image.Image:
    """The picture as RGB, `scene.width` × `scene.height` pixels, or scaled to a long side of `long_side`."""
    width, height = scene.width, scene.height
    if long_side is not None:
        longest = max(width, height)
        width, height = max(1, width * long_side // longest), max(1, height * long_side // longest)
    dice = Random(scene.jitter)
    look = Look(scene.palette, scene.mood)
    margin = min(width, height) // 28 if scene.framed else 0
    inner = width - 2 * margin, height - 2 * margin
    band = inner[1] * 22 // 100 if scene.title_text and scene.title_place == "band" else 0
    picture = _picture(scene, inner[0], inner[1] - band, look, dice)
    if not (margin or band):
        page = picture
    else:
        page = Image.new("RGB", (width, height), look.paper if margin else look.ink)
        page.paste(picture, (margin, margin))
    if scene.title_text:
        _title(page, scene, (margin, margin, margin + inner[0], margin + inner[1]), band, look, dice)
    return page


def _picture(scene: Scene, width: int, height: int, look: Look, dice: Random) -> Image.Image:
    image, pen = new_pen(width, height, look.sky[0])
    unit = min(width, height) / 1000
    wide, high = width / unit, height / unit
    horizon = horizon_of(scene, high)
    image.paste(sky.gradient((image.width, int(horizon * unit * OVERSAMPLE)), look.sky))
    lean = pen.at(wide / 2, high / 2, turn=look.light.tilt * dice.choice((-1, 1))).at(-wide / 2, -high / 2)
    if scene.setting in ("outer space", "spaceship"):
        interiors.stars(lean, wide, high, look, dice)
        if look.mood == "epic":
            sky.rays(lean, wide / 2, horizon * 0.7, look.lamp, dice)
    else:
        sky.backdrop(lean, wide, high, horizon, look, dice, bodies=True)
    SETTINGS[scene.setting](lean, wide, high, horizon, look, dice)
    image = image.reduce(OVERSAMPLE)
    near = scene.shot in ("close-up", "medium shot", "still life")
    if near:
        image = image.filter(ImageFilter.BoxBlur(max(1, int(unit * (9 if scene.shot == "close-up" else 6)))))
    people = place_people(scene, wide, high, dice)
    props = place_props(scene, wide, high, people)
    if scene.shot == "still life":
        page = Pen(image, (unit, 0.0, 0.0, 0.0, unit, 0.0))
        sky.rays(page, props[0].x, props[0].y, look.lamp, dice)
    for spot in people:
        glow(image, int(spot.x * unit), int((spot.y - spot.tall * 0.6) * unit), int(spot.tall * 0.6 * unit), look.lamp, 60 + look.light.rim // 4)
    _shadows(image, unit, people, props, look)
    image.paste(*_cast_layer(scene, width, height, people, props, look, dice))
    sky.weather(Pen(image, (unit, 0.0, 0.0, 0.0, unit, 0.0)), wide, high, look, dice, indoors=scene.setting in _INDOORS)
    _vignette(image, look)
    return _grain(image, dice)


def _shadows(image: Image.Image, unit: float, people: list[Spot], props: list[PropSpot], look: Look) -> None:
    pen = Pen(image, (unit, 0.0, 0.0, 0.0, unit, 0.0))
    for spot in people:
        pen.oval(spot.x, spot.y, spot.tall * 0.19, spot.tall * 0.035, (*look.ink, 110))
    for prop in props:
        if prop.name not in AIRBORNE:
            pen.oval(prop.x, prop.y + prop.wide * 0.56, prop.wide * 0.56, prop.wide * 0.1, (*look.ink, 110))


def _cast_layer(
    scene: Scene, width: int, height: int, people: list[Spot], props: list[PropSpot], look: Look, dice: Random
) -> tuple[Image.Image, tuple[int, int], Image.Image]:
    """People and props, lit: an image, where it goes, and its mask."""
    layer, pen = new_pen(width, height)
    for prop in props:
        if prop.name in AIRBORNE:
            PROPS[prop.name](pen.at(prop.x, prop.y, prop.wide / 116), look)
    for role, spot in reversed(list(zip(scene.people, people, strict=True))):
        who = cast(role, spot.facing, spot.pose, look, dice)
        figure(pen.at(spot.x, spot.y, spot.tall / 1000), who)
    for prop in props:
        if prop.name not in AIRBORNE:
            PROPS[prop.name](pen.at(prop.x, prop.y, prop.wide / 116), look)
    layer = layer.reduce(OVERSAMPLE)
    mask = layer.getchannel("A")
    colours = layer.convert("RGB")
    if look.light.shade:
        falling = Image.linear_gradient("L").point([v * min(255, look.light.shade + 40) // 255 for v in range(256)])
        colours.paste(look.ink, (0, 0), falling.resize((width, height)))
    step = max(1, min(width, height) // 130)
    side = step if scene.layout == "left" else -step
    rim = ImageChops.subtract(mask, ImageChops.offset(mask, -side, step))
    colours.paste(mix(look.lamp, (255, 255, 255), 60), (0, 0), rim.point([v * look.light.rim // 255 for v in range(256)]))
    return colours, (0, 0), mask


@lru_cache
def _disc() -> Image.Image:
    """Light falling off from the middle, 256 × 256."""
    return Image.radial_gradient("L").point([(255 - v) * (255 - v) // 255 for v in range(256)])


def glow(image: Image.Image, x: int, y: int, radius: int, colour: tuple[int, int, int], strength: int) -> None:
    """A soft light around (x, y), all in pixels; strength of 255."""
    mask = _disc().resize((2 * radius + 1, 2 * radius + 1)).point([v * strength // 255 for v in range(256)])
    image.paste(colour, (x - radius, y - radius), mask)


def _vignette(image: Image.Image, look: Look) -> None:
    if look.light.vignette:
        dark = [max(0, v - 96) * look.light.vignette // 159 for v in range(256)]
        image.paste(look.ink, (0, 0), Image.radial_gradient("L").point(dark).resize(image.size))


@lru_cache
def _noise() -> Image.Image:
    """A 1024 × 1024 sheet of film grain around the middle grey."""
    grain = np.random.Generator(np.random.PCG64(1)).integers(0, 27, (1024, 1024)) + 115
    return Image.fromarray(grain.astype(np.uint8))


def _grain(image: Image.Image, dice: Random) -> Image.Image:
    x, y = dice.randrange(100), dice.randrange(100)
    sheet = _noise().crop((x, y, x + image.width, y + image.height))
    return ImageChops.soft_light(image, Image.merge("RGB", (sheet, sheet, sheet)))


def _title(page: Image.Image, scene: Scene, area: tuple[int, int, int, int], band: int, look: Look, dice: Random) -> None:
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
        scrim = Image.linear_gradient("L").point([v * 215 // 255 for v in range(256)]).resize((width, deep))
        if scene.title_place == "top":
            scrim = scrim.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
            page.paste(look.ink, (left, top), scrim)
            box = left + pad, top + height // 24, right - pad, top + height * 21 // 100
        else:
            page.paste(look.ink, (left, bottom - deep), scrim)
            box = left + pad, bottom - height * 21 // 100, right - pad, bottom - height // 40
        if scene.theme in ("action", "comedy", "family", "western", "romance"):
            fill = look.accent[3]
    set_title(page, box, scene.title_text or "", scene.theme, scene.layout, look, (fill, shade), dice)
