"""Drawing with a pen: smooth shapes in units, not pixels.

The short side of a picture is 1000 units, whatever its size, and y grows downwards. Shapes are drawn twice as large as
the picture and halved once, which smooths their edges. Only + - * / and square roots are used, which every machine
computes alike, and coordinates are whole pixels before they reach Pillow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

Colour = tuple[int, ...]
"""Red, green, blue, and for a translucent fill its share of 255."""
Matrix = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f) takes (x, y) to pixel (a·x + b·y + c, d·x + e·y + f)."""
Point = tuple[float, float]

OVERSAMPLE = 2
# Rounding keeps the table free of the last bits, in which maths libraries differ.
_SINE = [round(math.sin(math.radians(degrees)), 6) for degrees in range(360)]


def sine(degrees: float) -> float:
    """Sine of a whole number of degrees."""
    return _SINE[round(degrees) % 360]


def cosine(degrees: float) -> float:
    """Cosine of a whole number of degrees."""
    return _SINE[(round(degrees) + 90) % 360]


def around(degrees: int, reach: float) -> Point:
    """The point `reach` away from the origin; 0 degrees is to the right, 90 below."""
    return reach * cosine(degrees), reach * sine(degrees)


class Pen:
    """Draws on an image in its own coordinates: moved, scaled, mirrored and turned against those of the picture."""

    def __init__(self, solid: ImageDraw.ImageDraw, veil: ImageDraw.ImageDraw, matrix: Matrix) -> None:
        self._solid, self._veil, self._matrix = solid, veil, matrix
        a, b, _, d, _, _ = matrix
        self._scale = math.sqrt(a * a + d * d)
        self._turned = b * b + d * d > 1e-9

    def at(self, x: float, y: float, scale: float = 1.0, *, flip: bool = False, turn: float = 0) -> Pen:
        """A pen whose origin is (x, y) of this one; one of its units is `scale` of ours."""
        a, b, c, d, e, f = self._matrix
        along, across = cosine(turn) * scale, sine(turn) * scale
        side = -1.0 if flip else 1.0
        matrix = (
            (a * along + b * across) * side,
            b * along - a * across,
            a * x + b * y + c,
            (d * along + e * across) * side,
            e * along - d * across,
            d * x + e * y + f,
        )
        return Pen(self._solid, self._veil, matrix)

    @property
    def pixels_per_unit(self) -> float:
        """Of the finished picture, when this pen draws on an oversampled one."""
        return self._scale / OVERSAMPLE

    def _place(self, points: Sequence[Point]) -> list[Point]:
        a, b, c, d, e, f = self._matrix
        # int() cuts towards zero: the shift makes that the same as rounding, also left of and above the picture.
        c, f = c + 10000.5, f + 10000.5
        return [(int(a * x + b * y + c) - 10000, int(d * x + e * y + f) - 10000) for x, y in points]

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon; a fourth number in `fill` makes it translucent."""
        (self._solid if len(fill) == 3 else self._veil).polygon(self._place(points), fill=fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        self.polygon(((left, top), (right, top), (right, bottom), (left, bottom)), fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """A filled ellipse around (x, y), turned and mirrored with the pen."""
        if self._turned and rx != ry:
            self.polygon([(x + rx * cosine(t), y + ry * sine(t)) for t in range(0, 360, 15)], fill)
            return
        ((cx, cy),) = self._place(((x, y),))
        wide, high = int(rx * self._scale + 0.5), int(ry * self._scale + 0.5)
        (self._solid if len(fill) == 3 else self._veil).ellipse((cx - wide, cy - high, cx + wide, cy + high), fill=fill)

    def limb(self, start: Point, end: Point, wide: float, narrow: float, fill: Colour) -> None:
        """A rounded bar from `start` to `end`, `wide` thick at the start and `narrow` at the end."""
        self._bar(start, end, wide, narrow, fill)
        self._joint(start, wide, fill)
        self._joint(end, narrow, fill)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """A bent line with round joints."""
        for start, end in pairwise(points):
            self._bar(start, end, width, width, fill)
        for point in points:
            self._joint(point, width, fill)

    def _bar(self, start: Point, end: Point, wide: float, narrow: float, fill: Colour) -> None:
        (x0, y0), (x1, y1) = start, end
        length = math.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)) or 1.0
        nx, ny = (y1 - y0) / length / 2, (x0 - x1) / length / 2
        self.polygon(
            (
                (x0 + nx * wide, y0 + ny * wide),
                (x1 + nx * narrow, y1 + ny * narrow),
                (x1 - nx * narrow, y1 - ny * narrow),
                (x0 - nx * wide, y0 - ny * wide),
            ),
            fill,
        )

    def _joint(self, point: Point, width: float, fill: Colour) -> None:
        if width * self._scale >= 4:  # a smaller circle would not show
            self.oval(*point, width / 2, width / 2, fill)

    def curve(self, points: Sequence[Point], fill: Colour) -> None:
        """A smooth closed shape through the points (Catmull-Rom)."""
        self.polygon(smooth(points, closed=True), fill)

    def stroke(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """A smooth open line through the points."""
        self.line(smooth(points, closed=False), width, fill)


def smooth(points: Sequence[Point], *, closed: bool) -> list[Point]:
    """Four points for each one given, on a Catmull-Rom spline through them."""
    count = len(points)
    path: list[Point] = []
    for i in range(count if closed else count - 1):
        if closed:
            p0, p1, p2, p3 = points[i - 1], points[i], points[(i + 1) % count], points[(i + 2) % count]
        else:
            p0, p1, p2, p3 = points[max(i - 1, 0)], points[i], points[i + 1], points[min(i + 2, count - 1)]
        for w0, w1, w2, w3 in _WEIGHTS:
            path.append(
                (w0 * p0[0] + w1 * p1[0] + w2 * p2[0] + w3 * p3[0], w0 * p0[1] + w1 * p1[1] + w2 * p2[1] + w3 * p3[1])
            )
    if not closed:
        path.append(points[-1])
    return path


_WEIGHTS = [
    (
        (-t * t * t + 2 * t * t - t) / 2,
        (3 * t * t * t - 5 * t * t + 2) / 2,
        (-3 * t * t * t + 4 * t * t + t) / 2,
        (t * t * t - t * t) / 2,
    )
    for t in (0.0, 0.25, 0.5, 0.75)
]


def pen_on(image: Image.Image, unit: float) -> Pen:
    """A pen with its origin at the top left of an image; `unit` in pixels. Translucent fills need an RGB image."""
    veil = ImageDraw.Draw(image, "RGBA") if image.mode == "RGB" else ImageDraw.Draw(image)
    return Pen(ImageDraw.Draw(image), veil, (unit, 0.0, 0.0, 0.0, unit, 0.0))


def transparent(width: int, height: int) -> tuple[Image.Image, Pen]:
    """A transparent image, drawn oversampled for a picture of `width` × `height`, and its pen."""
    image = Image.new("RGBA", (width * OVERSAMPLE, height * OVERSAMPLE), (0, 0, 0, 0))
    return image, pen_on(image, min(image.size) / 1000)
