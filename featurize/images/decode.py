"""Bytes of a picture to RGB pixels, or a named reason why not.

What comes back is always an 8-bit sRGB picture, upright and on white; anything else is a `BadImage`. The format is told
from the bytes, never from a name, and only the formats of `_PLUGINS` are decoded. The size is checked before pixels are
decoded. Of an animation or a multi-page file the first frame counts.

Everything here may be called from many threads; Pillow releases the GIL while it decodes. The one process-wide thing
touched is `PIL.Image.MAX_IMAGE_PIXELS`: it is raised to `Limits.max_pixels` where it is lower, and never lowered.
"""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from featurize.errors import BadImage
from featurize.images.formats import is_whole, png_chunks, sniff

# Plug-ins are called directly: `Image.open` would warn about sizes that `Limits` allows, and would take an MPO file
# (a JPEG followed by more JPEGs) for something other than the JPEG it starts with.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}  # Pillow may be built without these
_NOT_BUILT = {name for name, feature in _OPTIONAL.items() if not features.check(feature)}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_MAX_PROFILE_BYTES = 4 * 2**20  # the largest CMYK press profiles take 3 MB; bounds what the cache below holds
_LARGEST_RGB_ROUNDING = 2  # of 255: what two writings of sRGB differ by

_pixel_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """What is refused before any pixel is decoded."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000


@dataclass(frozen=True)
class Header:
    """What a file says of itself. `width` and `height` in pixels, upright: after EXIF orientation."""

    format: str
    width: int
    height: int


def probe(data: bytes, limits: Limits) -> Header:
    """Format and size of a picture; no pixel is decoded. Errors: BadImage, for any reason but an undecodable body."""
    format_, image, orientation = _open(data, limits)
    return Header(format_, *_upright(image.size, orientation))


def decode(data: bytes, limits: Limits, at_least: tuple[int, int] | None = None) -> Image.Image:
    """The first frame of a picture, mode "RGB", sRGB, upright, on white.

    Its size is that of `probe`. With `at_least` = (width, height), the decoder may halve, quarter or eighth a JPEG, as
    long as it is no smaller than that in either direction.

    Errors: BadImage with reason empty, not_an_image, unsupported, truncated, too_many_pixels, too_many_bytes or
    decode_error.
    """
    format_, image, orientation = _open(data, limits)
    try:
        if at_least:
            image.draft(None, _upright(at_least, orientation))
        image.load()
        rgb = _to_rgb(image)
        return rgb.transpose(_TURNS[orientation]) if orientation in _TURNS else rgb
    except MemoryError:
        raise
    except Exception as error:
        _fail(format_, data, error)


def _open(data: bytes, limits: Limits) -> tuple[str, ImageFile.ImageFile, int]:
    """Format, picture with its header read, EXIF orientation still to be applied (1 for none)."""
    if not data:
        raise BadImage("empty", "the file has no bytes")
    if len(data) > limits.max_bytes:
        raise BadImage("too_many_bytes", f"{len(data)} bytes; the limit is {limits.max_bytes}")
    format_ = sniff(data)
    if format_ is None:
        raise BadImage("not_an_image", "the bytes start like no picture format we know")
    if format_ not in _PLUGINS or format_ in _NOT_BUILT:
        raise BadImage("unsupported", f"{format_} is not decoded")
    _raise_pillow_limit(limits.max_pixels)
    try:
        image = _PLUGINS[format_](io.BytesIO(data))
        sizes = [image.size]
        if isinstance(image, TiffImagePlugin.TiffImageFile):  # one tile is a buffer, however small the picture
            sizes.append(
                (image.tag_v2.get(TiffImagePlugin.TILEWIDTH, 0), image.tag_v2.get(TiffImagePlugin.TILELENGTH, 0))
            )
        width, height = max(sizes, key=lambda size: size[0] * size[1])
    except MemoryError:
        raise
    except Exception as error:
        _fail(format_, data, error)
    if width * height > limits.max_pixels:
        raise BadImage("too_many_pixels", f"{format_} of {width}x{height} pixels; the limit is {limits.max_pixels}")
    return format_, image, _orientation(image, data)


def _fail(format_: str, data: bytes, error: Exception) -> NoReturn:
    """Names what Pillow raised, by the structure of the file and not by the words of the error."""
    detail = f"{format_}: {type(error).__name__}: {error}"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        raise BadImage("too_many_pixels", detail) from error
    raise BadImage("decode_error" if is_whole(format_, data) else "truncated", detail) from error


def _raise_pillow_limit(pixels: int) -> None:
    """Keeps Pillow's own check, which some plug-ins make while opening, as a second line of defence behind ours."""
    if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
        with _pixel_limit_lock:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, pixels)


def _upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) as stored to as shown, and back."""
    return (size[1], size[0]) if orientation >= 5 else size


def _orientation(image: ImageFile.ImageFile, data: bytes) -> int:
    """EXIF orientation, 1 to 8; 1 where it is missing or broken, and for TIFF, which Pillow turns while loading."""
    exif = image.info.get("exif")
    if image.format == "PNG":  # may stand behind the pixels, where Pillow has not looked yet
        exif = next((data[start:end] for kind, start, end in png_chunks(data) if kind == b"eXIf"), None)
    if not exif or image.format == "TIFF":
        return 1
    tags = Image.Exif()
    try:
        tags.load(exif)
        orientation = tags.get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # metadata is no reason to lose a picture
        return 1
    return orientation if orientation in _TURNS else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """A loaded picture of any mode to RGB: deep pixels scaled to 8 bits, ICC profile applied, laid on white."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    alpha = None
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        image = image.convert("L") if image.mode in ("LA", "La") else rgba.convert("RGB")
    elif image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    usable = isinstance(profile, bytes) and len(profile) <= _MAX_PROFILE_BYTES
    transform = _to_srgb(profile, image.mode) if usable else None
    if transform is not None:
        image = transform.apply(image)
    elif image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None:
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=alpha)
        return white
    return image


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Integer or float grey to mode "L", where Pillow itself would clip at 255.

    16-bit pixels span 0 to 65535, in a 12-bit TIFF 0 to 4095. Of 32-bit and float ones nothing tells the white point:
    it is the least of 1, 255 and 65535 that no pixel exceeds, else the brightest pixel.
    """
    if image.mode.startswith("I;16"):
        twelve = isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(258) == (12,)  # BitsPerSample
        return Image.fromarray((np.asarray(image) >> (4 if twelve else 8)).astype(np.uint8))
    wide = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    brightest = float(wide.max())
    white = next((top for top in (1.0, 255.0, 65535.0) if brightest <= top), brightest)
    return Image.fromarray((np.clip(wide, 0.0, white) * (255.0 / white) + 0.5).astype(np.uint8))


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
