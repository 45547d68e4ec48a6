"""Pixels of any kind to 8-bit sRGB on white, by the profile that came with them.

Invariant: sRGB pixels of 8 bits pass unchanged. Deep pixels meet their profile at 16 bits.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4 * 2**20
"""The largest CMYK press profiles take 3 MB; bounds what unpacking and keeping one may cost."""

_LARGEST_RGB_ROUNDING = 2  # of 255: what two writings of sRGB differ by
_SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # x and y of white, red, green, blue
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.96422, 1.0, 0.82521])
_BAND = 2**22
"""Pixels that are computed with in floating point at once."""


def to_rgb(image: Image.Image, profile: bytes | None, alpha: Image.Image | None = None) -> Image.Image:
    """A loaded picture of 8 bits a sample in any mode to RGB: profile applied, laid on white.

    `alpha`, of mode "L", counts instead of the picture's own transparency.
    """
    if alpha is None and image.has_transparency_data:
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        image = image.convert("L") if image.mode in ("LA", "La") else rgba.convert("RGB")
    elif image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    usable = profile if profile and len(profile) <= MAX_PROFILE_BYTES else None
    table = _grey_to_srgb(usable, 8) if usable and image.mode == "L" else None
    transform = _to_srgb(usable, image.mode) if usable and image.mode != "L" else None
    if table is not None:
        image = Image.fromarray(table[np.asarray(image)])
    elif transform is not None:
        image = transform.apply(image)
    elif image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None:
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=alpha)
        return white
    return image


def deep_to_rgb(pixels: np.ndarray, profile: bytes | None, alpha: np.ndarray | None = None) -> Image.Image:
    """uint16 pixels of shape (height, width, 1, 3 or 4): grey, RGB or CMYK; `alpha` is uint8 of (height, width)."""
    shade = None if alpha is None else Image.fromarray(alpha)
    usable = profile if profile and len(profile) <= MAX_PROFILE_BYTES else None
    match pixels.shape[2]:
        case 1:
            table = _grey_to_srgb(usable, 16) if usable else None
            if table is not None:
                return to_rgb(Image.fromarray(table[pixels[:, :, 0]]), None, shade)
            return to_rgb(Image.fromarray(_upper(pixels[:, :, 0])), None, shade)
        case 3 if usable and _to_srgb(usable, "RGB") is not None:
            import imagecodecs

            made = imagecodecs.cms_transform(
                np.ascontiguousarray(pixels), usable, srgb_profile(), colorspace="rgb", outdtype=np.uint8
            )
            return to_rgb(Image.fromarray(made), None, shade)
        case 3:
            return to_rgb(Image.fromarray(_upper(pixels)), None, shade)
    inks = Image.frombytes("CMYK", (pixels.shape[1], pixels.shape[0]), _upper(pixels).tobytes())
    return to_rgb(inks, usable, shade)


def _upper(pixels: np.ndarray) -> np.ndarray:
    """The upper half of uint16, as uint8; nothing wider is made on the way."""
    upper = np.empty(pixels.shape, np.uint8)
    np.right_shift(pixels, 8, out=upper, casting="unsafe")
    return upper


def lab_to_rgb(pixels: np.ndarray, white: Sequence[float] | None) -> Image.Image:
    """float32 CIE L*a*b* of shape (height, width, 3) to sRGB; `white` is x and y of its white, None for D50.

    Errors: ValueError for a white that is none.
    """
    light = _D50 if white is None else _white(white)
    matrix = (np.linalg.inv(_colorants(_SRGB)) @ _adapted(light)).T.astype(np.float32)
    out = np.empty(pixels.shape, np.uint8)
    rows = max(1, _BAND // pixels.shape[1])
    for begin in range(0, len(pixels), rows):
        lightness, a, b = np.moveaxis(pixels[begin : begin + rows].astype(np.float32), -1, 0)
        y = (lightness + 16) / 116
        f = np.stack([y + a / 500, y, y - b / 200], axis=-1)
        xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * (3 * (6 / 29) ** 2)) * light.astype(np.float32)
        linear = np.clip(xyz @ matrix, 0, 1)
        curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        out[begin : begin + rows] = curved * 255 + 0.5
    return Image.fromarray(out)


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What takes pixels of `mode` to sRGB; None where the profile is broken, of other channels, or sRGB already.

    Cached, since pictures of one catalogue share few profiles and a transform may be applied by many threads.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode == "RGB":
            levels = np.arange(0, 256, 15, dtype=np.uint8)
            cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
            moved = np.asarray(transform.apply(Image.fromarray(cube)))
            if np.abs(moved.astype(int) - cube).max() <= _LARGEST_RGB_ROUNDING:
                return None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return transform


@lru_cache(maxsize=8)
def _grey_to_srgb(profile: bytes, bits: int) -> np.ndarray | None:
    """uint8 of shape (2**bits, 3), what each level of grey looks like; None where the profile is not one of grey.

    Worked out level by level: the shortcut that lcms takes for grey is off by up to ten levels in the shadows.
    """
    import imagecodecs

    try:
        if ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip() != "GRAY":
            return None
        levels = np.arange(2**bits, dtype=np.uint16 if bits == 16 else np.uint8)[None, :]
        table = imagecodecs.cms_transform(
            levels, profile, srgb_profile(), colorspace="gray", outcolorspace="rgb", outdtype=np.uint8,
            flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,
        )  # fmt: skip
    except (ImageCms.PyCMSError, imagecodecs.CmsError, OSError, ValueError, TypeError):
        return None
    seen: np.ndarray = table[0]
    return seen


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_of(gamma: float | None, chromaticities: Sequence[float] | None, grey: bool = False) -> bytes | None:
    """An ICC profile for pixels that are the light to the power of 1/`gamma`, of primaries given as x and y.

    `chromaticities` are x and y of white, red, green and blue. What is None is as in sRGB, and so is a gamma within a
    twentieth of 2.2, which is how writers of PNG say sRGB. None where all is sRGB. Errors: ValueError for what no
    screen can have.
    """
    if gamma is not None and not 0.1 <= gamma <= 10:
        raise ValueError(f"a gamma of {gamma}")
    if gamma is not None and abs(gamma / 2.2 - 1) < 0.05:
        gamma = None
    if gamma is None and (grey or chromaticities is None):
        return None
    curve = _srgb_curve() if gamma is None else struct.pack(">4s4xHHi", b"para", 0, 0, round(gamma * 65536))
    tags = {b"wtpt": _xyz(_D50)}
    if grey:
        tags[b"kTRC"] = curve
    else:
        colorants = _colorants(chromaticities or _SRGB)
        for name, column in zip((b"r", b"g", b"b"), colorants.T, strict=True):
            tags[name + b"XYZ"] = _xyz(column)
            tags[name + b"TRC"] = curve
    return _icc(b"GRAY" if grey else b"RGB ", tags)


def _colorants(chromaticities: Sequence[float]) -> np.ndarray:
    """XYZ of red, green and blue as columns, adapted to D50. Errors: ValueError where they span no space."""
    white, *primaries = (_white(point) for point in np.array(chromaticities, float).reshape(4, 2))
    columns = np.stack(primaries, axis=-1)
    if abs(np.linalg.det(columns)) < 1e-6:
        raise ValueError("primaries in a line")
    colorants: np.ndarray = _adapted(white) @ columns * np.linalg.solve(columns, white)
    return colorants


def _white(point: Sequence[float] | np.ndarray) -> np.ndarray:
    """XYZ with Y = 1 of x and y. Errors: ValueError for what is no colour."""
    x, y = point
    if not (x >= 0 and y > 0.0001 and x + y <= 1.2):
        raise ValueError(f"chromaticity {x}, {y}")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adapted(white: np.ndarray) -> np.ndarray:
    """The matrix that takes XYZ under `white` to D50, after Bradford."""
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    matrix: np.ndarray = np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD
    return matrix


def _xyz(values: np.ndarray) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(float(value) * 65536) for value in values))


def _srgb_curve() -> bytes:
    numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return struct.pack(">4s4xHH5i", b"para", 3, 0, *(round(number * 65536) for number in numbers))


def _icc(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A display profile, ICC.1:2010: header, table of tags, tags on multiples of four bytes."""
    table, bodies = b"", b""
    begin = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += struct.pack(">4sII", name, begin + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    size = begin + len(bodies)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"lcms", 0x04000000, b"mntr", space, b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + bodies
