"""What there is to see in each cell of a picture: a target for every visual token, and for what lies below it.

A network told only what is somewhere in a picture takes hundreds of thousands of them to find out where to look; the
renderer knows where.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor

import numpy as np

from featurize.demo.names import FIRST, NOUNS
from featurize.demo.render import Part
from featurize.demo.vocabulary import ROLES, THEMES

_PROPS = tuple(prop for theme in THEMES.values() for prop in theme.props)
_WORDS = tuple(sorted({word.upper() for nouns in (*NOUNS.values(), FIRST, ("night", "and", "of")) for word in nouns}))
PARTS = (
    *(("role", role) for role in ROLES),
    *(("prop", prop) for prop in _PROPS),
    *(("word", word) for word in _WORDS),
    *(("pose", pose) for pose in ("reach", "hug", "crossed")),
    *(("facing", side) for side in ("left", "right")),
    *(("heads", number) for number in ("1", "2", "3")),
)
"""Kind and name of what a cell can show; three heads or more are three."""
_AT = {part: at for at, part in enumerate(PARTS)}
COVERED = 0.24
"""A part is in a cell when it covers this share of it, or when the cell holds this share of the part.

Below a quarter, so that a small one on the corner of four cells is not lost.
"""


def cell_targets(parts: Iterable[Part], rows: int, columns: int) -> np.ndarray:
    """bool of shape (rows · columns, len(PARTS)), row by row."""
    targets = np.zeros((rows, columns, len(PARTS)), bool)
    heads = np.zeros((rows, columns), int)
    for part in parts:
        if part.kind == "head":
            heads[_middle(part, rows, columns)] += 1
        elif (part.kind, part.name) in _AT:
            left, top, right, bottom = part.box
            high, wide = _overlap(top * rows, bottom * rows, rows), _overlap(left * columns, right * columns, columns)
            smaller = min(1.0, (bottom - top) * rows) * min(1.0, (right - left) * columns)
            targets[:, :, _AT[part.kind, part.name]] |= np.outer(high, wide) >= COVERED * smaller
    for number in (1, 2, 3):
        targets[:, :, _AT["heads", str(number)]] = heads >= number
    return targets.reshape(rows * columns, len(PARTS))


MARKS = (
    *(("letter", letter) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    *(("head", role) for role in ROLES),
    *(("facing", side) for side in ("left", "right")),
)
"""Kind and name of what is often no larger than a patch: letters, and the heads of people far away."""
_MARK_AT = {mark: at for at, mark in enumerate(MARKS)}


def mark_targets(parts: Iterable[Part], rows: int, columns: int) -> np.ndarray:
    """bool of shape (rows · columns, len(MARKS)), row by row: the marks whose middle lies in each cell."""
    targets = np.zeros((rows, columns, len(MARKS)), bool)
    for part in parts:
        if (part.kind, part.name) in _MARK_AT:
            targets[(*_middle(part, rows, columns), _MARK_AT[part.kind, part.name])] = True
    return targets.reshape(rows * columns, len(MARKS))


def _middle(part: Part, rows: int, columns: int) -> tuple[slice, slice]:
    """The cell its middle lies in: none when that is outside."""
    left, top, right, bottom = part.box
    y, x = floor((top + bottom) / 2 * rows), floor((left + right) / 2 * columns)
    inside = 0 <= y < rows and 0 <= x < columns
    return (slice(y, y + 1), slice(x, x + 1)) if inside else (slice(0), slice(0))


def _overlap(start: float, end: float, cells: int) -> np.ndarray:
    """Length of [start, end] that lies in each of the cells [0, 1], [1, 2], …"""
    edges = np.arange(cells)
    inside: np.ndarray = np.minimum(end, edges + 1) - np.maximum(start, edges)
    return inside.clip(0)
