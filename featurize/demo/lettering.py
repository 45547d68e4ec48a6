"""Titles: the name of a title set in the manner of its theme, with the one font that ships inside Pillow.

Words are drawn large, letter by letter, and squeezed to their place, so that one font gives tall, wide and heavy faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from featurize.demo.colours import Look, Rgb, mix

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_SIZE = 96  # pixels at which letters are drawn before they are squeezed


@dataclass(frozen=True)
class Face:
    """How a theme sets its titles."""

    stretch: float
    """Width of the letters against the font's own."""
    weight: int
    """Pixels added around a letter of 96."""
    tracking: int
    """Pixels between letters of 96."""
    justified: bool = False
    """Every line fills the width."""
    bounce: bool = False
    """Letters dance up and down."""
    rules: bool = False
    """Thin lines above and below."""


FACES: dict[str, Face] = {
    "romance": Face(1.0, 0, 14),
    "action": Face(0.86, 7, 0, justified=True),
    "horror": Face(0.62, 3, 4),
    "comedy": Face(1.0, 7, 4, bounce=True),
    "science fiction": Face(1.25, 1, 30),
    "drama": Face(0.9, 0, 22, rules=True),
    "family": Face(1.0, 6, 6, bounce=True),
    "western": Face(0.8, 5, 8, justified=True, rules=True),
    "fantasy": Face(0.85, 2, 12),
    "mystery": Face(0.72, 2, 18),
}


@lru_cache
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(_SIZE)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType, so it has no font to set titles in")
    return font


@lru_cache(maxsize=2048)
def _letter(letter: str, weight: int) -> tuple[Image.Image, int]:
    """A letter as a mask 160 high, and its advance in pixels."""
    font = _font()
    advance = int(font.getlength(letter)) + 2 * weight
    mask = Image.new("L", (advance + 24, 160))
    ImageDraw.Draw(mask).text((12 + weight, 22), letter, 255, font, stroke_width=weight)
    return mask, advance


Mark = tuple[str, str, Box]
"""A "word" or a "letter", its text, and where it is."""


def _line(text: str, face: Face, dice: Random) -> tuple[Image.Image, list[tuple[str, str, float, float]]]:
    """One line as a mask cropped to its letters; and its words and letters with the shares of the width they span.

    Without bounce it keeps the height of capitals.
    """
    letters = [(_letter(letter, face.weight), dice.randrange(-9, 10) if face.bounce else 0) for letter in text]
    mask = Image.new("L", (sum(advance + face.tracking for (_, advance), _ in letters) + 40, 190))
    x, edges = 6, []
    for (shape, advance), hop in letters:
        mask.paste(255, (x, 14 + hop), shape)
        edges.append((x + 12, x := x + advance + face.tracking))
    box = mask.getbbox() or (0, 0, 1, 1)
    spans = [("letter", letter, *edge) for letter, edge in zip(text, edges, strict=True) if letter != " "]
    first = 0
    for word in text.split(" "):
        spans.append(("word", word, edges[first][0], edges[first + len(word) - 1][1]))
        first += len(word) + 1
    start, width = box[0], box[2] - box[0]
    return mask.crop(box), [(kind, name, (x0 - start) / width, (x1 - start) / width) for kind, name, x0, x1 in spans]


def title_mask(
    size: tuple[int, int], text: str, theme: str, align: str, dice: Random, most_lines: int
) -> tuple[Image.Image, list[Mark]]:
    """The title as a mask of `size` pixels, as large as fits, in up to `most_lines` lines; and what is where."""
    width, height = size
    face = FACES[theme]
    lines, spans = zip(*(_line(line, face, dice) for line in _break(text, most_lines)), strict=True)
    marks: list[Mark] = []
    natural = [(line.width * face.stretch, line.height) for line in lines]
    gap = 0.2
    if face.justified:
        scales = [min(width / wide, height * 0.62 / high) for wide, high in natural]
    else:
        scales = [min(width / max(wide for wide, _ in natural), height / natural[0][1])] * len(lines)
    total = sum(s * high for s, (_, high) in zip(scales, natural, strict=True)) + gap * 100 * scales[0] * (
        len(lines) - 1
    )
    shrink = min(1.0, height / total)
    mask = Image.new("L", size)
    y = (height - total * shrink) / 2
    for line, parts, scale, (wide, high) in zip(lines, spans, scales, natural, strict=True):
        target = max(1, int(wide * scale * shrink)), max(1, int(high * scale * shrink))
        small = line.resize(target, Image.Resampling.BICUBIC)
        x = {"left": 0, "centre": (width - target[0]) // 2, "right": width - target[0]}[align]
        mask.paste(small, (x, int(y)))
        for kind, name, start, end in parts:
            marks.append((kind, name, (x + start * target[0], y, x + end * target[0], y + target[1])))
        y += target[1] + gap * 100 * scales[0] * shrink
    return mask, marks


def _break(text: str, most_lines: int) -> list[str]:
    """Lines of about equal length, never more than `most_lines`."""
    words = text.split()
    lines = min(most_lines, len(words)) if len(text) > 8 else 1
    best = [text]
    if lines >= 2:
        cuts = [[" ".join(words[:i]), " ".join(words[i:])] for i in range(1, len(words))]
        best = min(cuts, key=lambda cut: max(map(len, cut)))
    if lines >= 3 and len(text) > 18:
        best = min(
            (
                [" ".join(words[:i]), " ".join(words[i:j]), " ".join(words[j:])]
                for i in range(1, len(words) - 1)
                for j in range(i + 1, len(words))
            ),
            key=lambda cut: max(map(len, cut)),
        )
    return best


def set_title(
    image: Image.Image,
    box: tuple[int, int, int, int],
    text: str,
    theme: str,
    align: str,
    look: Look,
    paints: tuple[Rgb, Rgb],
    dice: Random,
) -> list[Mark]:
    """Title, rules and billing block inside `box` (pixels). `paints`: letters and their shadow.

    Returns the words and letters and where they are in the image.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    fill, shadow = paints
    face = FACES[theme]
    block = max(4, height // 7)
    size = (width, height - block - height // 12)
    mask, marks = title_mask(size, text, theme, align, dice, 3 if width < height * 4 else 2)
    drop = max(1, height // 60)
    soft = Image.new("L", (size[0] + 6 * drop, size[1] + 6 * drop))
    soft.paste(mask, (3 * drop, 3 * drop))
    image.paste(shadow, (left - 2 * drop, top - 2 * drop), soft)
    image.paste(shadow, (left - 2 * drop, top - 2 * drop), soft.filter(ImageFilter.BoxBlur(drop)))
    image.paste(fill, (left, top), mask)
    if theme in ("action", "fantasy", "western"):
        sheen = Image.linear_gradient("L").resize(size)
        image.paste(mix(fill, look.accent[2], 170), (left, top), ImageChops.multiply(mask, sheen))
    draw = ImageDraw.Draw(image)
    if face.rules:
        drawn = mask.getbbox() or (0, 0, width, size[1])
        for y in (top - height // 24, top + size[1] + height // 40):
            draw.rectangle((left + drawn[0], y, left + drawn[2], y + max(0, height // 90)), fill=fill)
    _billing(image, left, bottom - block * 3 // 4, width, block * 3 // 4, align, fill, dice)
    return [(kind, name, (x0 + left, y0 + top, x1 + left, y1 + top)) for kind, name, (x0, y0, x1, y1) in marks]


def _billing(
    image: Image.Image, left: int, top: int, width: int, height: int, align: str, fill: Rgb, dice: Random
) -> None:
    """The block of credits below a title, too fine to read, as on any poster seen from afar."""
    row_height = max(2, height // 2 - 1)
    for row in range(2 if height > 7 else 1):
        strokes = bytearray()
        while len(strokes) < width * (52 - 10 * row) // 100:
            strokes += b"\xe0\x40" * dice.randrange(3, 8) + bytes(3)
        long = len(strokes)
        x = left + {"left": 0, "centre": (width - long) // 2, "right": width - long}[align]
        mask = Image.frombytes("L", (long, 1), bytes(strokes)).resize((long, row_height), Image.Resampling.NEAREST)
        image.paste(fill, (x, top + row * (row_height + 2)), mask)
