"""JPEG XL: the header, read bit by bit as ISO/IEC 18181-1 has it, and the pixels, which libjxl decodes.

The header is needed for the size, which the decoder does not tell before it decodes, and for the colour space of the
pixels, which it does not tell at all. Where that is an embedded profile or a curve for high dynamic range, the
picture is `unsupported`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from featurize.errors import BadImage
from featurize.images import colour
from featurize.images.containers import boxes

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_WHITES = {1: (0.3127, 0.3290), 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
_PRIMARIES = {
    1: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_GREY = 1
_CUSTOM = 2
_LINEAR, _SRGB_CURVE = 8, 13
_ALPHA = 0
_HEADER_BYTES = 4096


@dataclass(frozen=True)
class Header:
    """`size` is (width, height) as shown: the decoder turns the picture. `profile` is None for sRGB."""

    size: tuple[int, int]
    profile: bytes | None


def read(data: bytes) -> Header:
    """Errors: BadImage unsupported or truncated."""
    try:
        bits = _Bits(_codestream(data)[2:_HEADER_BYTES])
        width, height = _size(bits)
        orientation, profile = (1, None) if bits.take(1) else _metadata(bits)
    except IndexError as error:
        raise BadImage("truncated", "JPEG XL: the file ends within its header") from error
    return Header((height, width) if orientation >= 5 else (width, height), profile)


def to_rgb(data: bytes, header: Header) -> Image.Image:
    """The first frame as RGB on white. Errors: whatever the decoder raises."""
    import imagecodecs

    pixels = imagecodecs.jpegxl_decode(data, index=0, numthreads=1)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if (pixels.shape[1], pixels.shape[0]) != header.size:
        raise ValueError(f"{pixels.shape[1]}x{pixels.shape[0]} pixels, but {header.size} in the header")
    if pixels.dtype.kind == "f":
        pixels = (np.clip(np.nan_to_num(pixels.astype(np.float32)), 0, 1) * 65535 + 0.5).astype(np.uint16)
    colours = 3 if pixels.shape[2] >= 3 else 1
    alpha = None
    if pixels.shape[2] > colours:
        last = pixels[:, :, colours]
        alpha = (last >> 8 if last.dtype == np.uint16 else last).astype(np.uint8)
    if pixels.dtype == np.uint16:
        return colour.deep_to_rgb(pixels[:, :, :colours], header.profile, alpha)
    flat = np.ascontiguousarray(pixels[:, :, :colours] if colours == 3 else pixels[:, :, 0])
    return colour.to_rgb(Image.fromarray(flat), header.profile, None if alpha is None else Image.fromarray(alpha))


def _codestream(data: bytes) -> bytes:
    """The codestream, or its beginning, of a file with or without boxes around it."""
    if data.startswith(b"\xff\x0a"):
        return data
    found = b""
    for kind, body in boxes(data):
        if kind in (b"jxlc", b"jxlp") and len(found) < _HEADER_BYTES:
            found += body[4 if kind == b"jxlp" else 0 :][:_HEADER_BYTES]
    return found


class _Bits:
    """Bits of a codestream, the lowest of each byte first. Errors: IndexError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        self._left -= count
        return value

    def choice(self, *ways: tuple[int, int]) -> int:
        """One of four ways, each (what to add, bits to read)."""
        add, count = ways[self.take(2)]
        return add + self.take(count)

    def name(self) -> int:
        """A value of an enumeration."""
        return self.choice((0, 0), (1, 0), (2, 4), (18, 6))


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if small else bits.choice((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _metadata(bits: _Bits) -> tuple[int, bytes | None]:
    """Orientation, 1 to 8, and the profile of what the decoder returns."""
    orientation = 1
    if bits.take(1):
        orientation = 1 + bits.take(3)
        if bits.take(1):
            _size(bits)  # as which it would like to be shown
        if bits.take(1):
            _preview(bits)
        if bits.take(1):  # animation
            bits.choice((100, 0), (1000, 0), (1, 10), (1, 30))
            bits.choice((1, 0), (1001, 0), (1, 8), (1, 10))
            bits.choice((0, 0), (0, 3), (0, 16), (0, 32))
            bits.take(1)
    _depth(bits)
    bits.take(1)
    extra = bits.choice((0, 0), (1, 0), (2, 4), (1, 12))
    if extra > 1 or (extra and not _plain_alpha(bits)):
        raise BadImage("unsupported", "JPEG XL with channels besides colour and plain alpha is not decoded")
    bits.take(1)  # whether the pixels are XYB in the file: the decoder brings them to the colours that follow
    return orientation, None if bits.take(1) else _colours(bits)


def _preview(bits: _Bits) -> None:
    eighths = bits.take(1)

    def side() -> None:
        if eighths:
            bits.choice((16, 0), (32, 0), (1, 5), (33, 9))
        else:
            bits.choice((1, 6), (65, 8), (321, 10), (1345, 12))

    side()
    if not bits.take(3):
        side()


def _depth(bits: _Bits) -> None:
    if bits.take(1):  # floating point
        bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)
    else:
        bits.choice((8, 0), (10, 0), (12, 0), (1, 6))


def _plain_alpha(bits: _Bits) -> bool:
    if bits.take(1):
        return True
    if bits.name() != _ALPHA:
        return False
    _depth(bits)
    bits.choice((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.choice((0, 0), (0, 4), (16, 5), (48, 10)))
    return not bits.take(1)  # colours that are times alpha already


def _colours(bits: _Bits) -> bytes | None:
    embedded, space = bits.take(1), bits.name()
    if embedded or space > _GREY:
        raise BadImage("unsupported", "JPEG XL with an embedded profile is not decoded")
    white: Sequence[float]
    primaries: Sequence[float] = _PRIMARIES[1]
    named = bits.name()
    white = _points(bits, 1) if named == _CUSTOM else _WHITES.get(named, ())
    if space != _GREY:
        named = bits.name()
        primaries = _points(bits, 3) if named == _CUSTOM else _PRIMARIES.get(named, ())
    gamma: float | None
    if bits.take(1):
        gamma = 1e7 / max(bits.take(24), 1)
    else:
        curve = bits.name()
        if curve not in (_LINEAR, _SRGB_CURVE):
            raise BadImage("unsupported", f"JPEG XL with the transfer function {curve} is not decoded")
        gamma = 1.0 if curve == _LINEAR else None
    if not white or not primaries:
        raise BadImage("unsupported", "JPEG XL with colours that nobody has named is not decoded")
    chromaticities = (*white, *primaries)
    plain = (*_WHITES[1], *_PRIMARIES[1])
    return colour.profile_of(gamma, None if chromaticities == plain else chromaticities, grey=space == _GREY)


def _points(bits: _Bits, count: int) -> list[float]:
    def coordinate() -> float:
        packed = bits.choice((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
        return (-(packed + 1) // 2 if packed & 1 else packed // 2) / 1e6

    return [coordinate() for _ in range(2 * count)]
