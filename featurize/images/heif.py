"""HEIF files, as far as their boxes say how large the picture is.

libheif is asked for pixels alone: it does not see a file whose boxes do not fit, and no process that only looks at
headers calls it. ISO/IEC 14496-12 and 23008-12.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from featurize.errors import BadImage


def size(data: bytes) -> tuple[int, int]:
    """(width, height) of the primary picture as shown. Errors: BadImage truncated or decode_error."""
    try:
        return _size(data)
    except (struct.error, KeyError, IndexError) as error:
        whole = _ends_within(data)
        raise BadImage(
            "decode_error" if whole else "truncated", "HEIF: the boxes do not say how large the picture is"
        ) from error


def _size(data: bytes) -> tuple[int, int]:
    if {b"moov"} == {kind for kind, _, _ in _boxes(data, 0, len(data)) if kind in (b"moov", b"meta")}:
        raise BadImage("unsupported", "HEIF: a film without a still picture is not decoded")
    begin, end = _find(data, 0, len(data), b"meta")
    begin += 4
    items, _ = _find(data, begin, end, b"pitm")
    primary = _number(data, items + 4, 4 if data[items] else 2)
    _check_items(data, *_find(data, begin, end, b"iinf"))
    properties = _find(data, begin, end, b"iprp")
    container = _find(data, *properties, b"ipco")
    listed = list(_boxes(data, *container))
    shape: tuple[int, int] | None = None
    turned = False
    for kind, at, stop in (listed[index - 1] for index in _of(data, *properties, primary) if index):
        if kind == b"ispe":
            shape = struct.unpack_from(">II", data, at + 4)
        elif kind == b"irot" and stop > at:
            turned ^= bool(data[at] & 1)
        elif kind == b"clap":
            across, by, down, under = struct.unpack_from(">4I", data, at)
            width, height = across // (by or 1), down // (under or 1)
            shape = (width, height)
    if shape is None:
        raise KeyError("ispe")
    return (shape[1], shape[0]) if turned else shape


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of the bodies of boxes in a row. Errors: struct.error for one that reaches beyond the end."""
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif length == 0:
            length = end - at
        if length < head or at + length > end:
            raise struct.error("a box does not fit")
        yield kind, at + head, at + length
        at += length


def _find(data: bytes, at: int, end: int, wanted: bytes) -> tuple[int, int]:
    for kind, start, stop in _boxes(data, at, end):
        if kind == wanted:
            return start, stop
    raise KeyError(wanted)


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise struct.error("a number does not fit")
    return int.from_bytes(data[at : at + size])


def _check_items(data: bytes, at: int, end: int) -> None:
    """Item types are four letters; pi-heif ends the process at others."""
    for kind, start, stop in _boxes(data, at + (8 if data[at] else 6), end):
        if kind != b"infe" or data[start] < 2:
            continue
        begin = start + (8 if data[start] == 2 else 10)
        if begin + 4 > stop or not data[begin:stop].isascii():
            raise struct.error("an item without type")


def _of(data: bytes, at: int, end: int, item: int) -> list[int]:
    """Numbers, from 1, of an item's properties."""
    for kind, start, _ in _boxes(data, at, end):
        if kind != b"ipma":
            continue
        wide, large = data[start + 3] & 1, data[start] >= 1
        place = start + 8
        for _entry in range(_number(data, start + 4, 4)):
            name = _number(data, place, 4 if large else 2)
            place += 4 if large else 2
            count = data[place]
            place += 1
            step = 2 if wide else 1
            numbers = [_number(data, place + step * i, step) & (0x7FFF if wide else 0x7F) for i in range(count)]
            place += step * count
            if name == item:
                return numbers
    raise KeyError(item)


def _ends_within(data: bytes) -> bool:
    try:
        return any(kind == b"mdat" for kind, _, _ in _boxes(data, 0, len(data)))
    except struct.error:
        return False
