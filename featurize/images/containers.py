"""Icons, Photoshop files and JPEG 2000: what a decoder does not ask of them, and without which it can be wrong."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from featurize.errors import BadImage

_PSD_MODES = {0, 1, 2, 3, 4}  # bitmap, grey, palette, RGB, CMYK
_VERSION_INFO = 0x0421
_CMYK, _SRGB, _GREY, _SYCC = 12, 16, 17, 18
_BILEVEL = (0, 15)


def largest_icon(data: bytes) -> bytes:
    """A PNG file or a bitmap with mask: of the largest pictures of an icon file the deepest. Errors: BadImage."""
    (count,) = struct.unpack_from("<H", data, 4)
    entries = []
    for number in range(min(count, (len(data) - 6) // 16)):
        width, height, _, _, _, depth, size, begin = struct.unpack_from("<BBBBHHII", data, 6 + 16 * number)
        entries.append(((width or 256) * (height or 256), depth, -number, begin, size))
    if not entries:
        raise BadImage("truncated" if count else "decode_error", "ICO: there is no picture in it")
    *_, begin, size = max(entries)
    picture = data[begin : begin + size]
    if len(picture) < max(40, size):
        raise BadImage("truncated", "ICO: its largest picture lies beyond the end of the file")
    return picture


def icon_size(picture: bytes) -> tuple[int, int]:
    """Of a bitmap with mask, whose height counts both."""
    width, height = struct.unpack_from("<ii", picture, 4)
    return width, abs(height) // 2


def single_icon(picture: bytes, size: tuple[int, int]) -> bytes:
    """An icon file with this bitmap alone."""
    (depth,) = struct.unpack_from("<H", picture, 14)
    sides = (side if side < 256 else 0 for side in size)
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", *sides, 0, 0, 1, depth, len(picture), 22) + picture


def psd_alpha(data: bytes) -> bool:
    """Whether the channel after the colours is the transparency of the merged picture, not a selection.

    Errors: BadImage where there is no merged picture that is decoded rightly; struct.error for a cut file.
    """
    version, _, _, _, _, depth, mode = struct.unpack_from(">H6sHIIHH", data, 4)
    if version != 1 or depth not in (1, 8) or mode not in _PSD_MODES:
        raise BadImage("unsupported", f"PSD of version {version}, {depth} bits, colour mode {mode} is not decoded")
    (colours,) = struct.unpack_from(">I", data, 26)
    at = 30 + colours
    (length,) = struct.unpack_from(">I", data, at)
    at, end = at + 4, at + 4 + length
    while at + 12 <= min(end, len(data)) and data[at : at + 4] == b"8BIM":
        kind, name = struct.unpack_from(">HB", data, at + 4)
        at += 6 + (name + 2 & ~1)
        (size,) = struct.unpack_from(">I", data, at)
        if kind == _VERSION_INFO and data[at + 8 : at + 9] == b"\0":
            raise BadImage("unsupported", "PSD saved without a merged picture")
        at += 4 + (size + 1 & ~1)
    layers_and_masks, layers = struct.unpack_from(">II", data, end)
    (count,) = struct.unpack_from(">h", data, end + 8) if layers_and_masks and layers else (0,)
    return bool(count < 0)


@dataclass(frozen=True)
class Jpeg2000:
    """`depth` is in bits a sample; `profile` is ICC; `space` is the number of an enumerated colour space."""

    depth: int
    profile: bytes | None
    space: int | None


def jpeg_2000(data: bytes) -> Jpeg2000:
    """Errors: BadImage for pictures that would not come out right; struct.error for a cut file."""
    profile, space, palette = None, None, False
    if not data.startswith(b"\xff\x4f"):
        for kind, body in boxes(data):
            if kind == b"jp2h":
                for inner, said in boxes(body):
                    palette |= inner == b"pclr"
                    if inner == b"colr" and profile is None and space is None:  # the first one counts
                        if said[0] == 1:
                            (space,) = struct.unpack_from(">I", said, 3)
                        else:
                            profile = said[3:]
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0:
        raise struct.error("no codestream")
    (components,) = struct.unpack_from(">H", data, at + 40)
    depths = set(data[at + 42 : at + 42 + 3 * components : 3])
    if not depths:
        raise struct.error("no components")
    depth = 1 + min(depths)
    if depth > 8 and (len(depths) > 1 or depth > 16 or palette or space == _SYCC or components > 4):
        raise BadImage("unsupported", f"JPEG2000 with {components} components of {depth} bits is not decoded")
    if space not in (None, _CMYK, _SRGB, _GREY, _SYCC, *_BILEVEL):
        raise BadImage("unsupported", f"JPEG2000 with the colour space {space} is not decoded")
    return Jpeg2000(depth, profile, space)


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """(type, body) of boxes in a row, as far as they go."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, kind, head = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        end = at + size if size else len(data)
        found.append((kind, data[at + head : end]))
        at = max(end, at + 8)
    return found
