"""Bytes of a picture to RGB pixels, or a named reason why not.

What comes back is always an 8-bit sRGB picture, upright and on white; anything else is a `BadImage`. The format is told
from the bytes, never from a name. The size is checked before pixels are decoded. Of an animation or a file of many
pages the first picture counts.

Everything here may be called from many threads; the decoders release the GIL. The process-wide things touched are
`PIL.Image.MAX_IMAGE_PIXELS`, raised to `Limits.max_pixels` where it is lower and never lowered, the filter of warnings
and the libraries' loggers: what they have to say of odd files is in `damage` or in the reason.
"""

from __future__ import annotations

import io
import logging
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    PsdImagePlugin,
    WebPImagePlugin,
    features,
)

from featurize.errors import BadImage
from featurize.images import colour, containers, heif, jpeg_xl, streams, tiff
from featurize.images.formats import is_whole, pnm_head, sniff

_NEEDS = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}  # Pillow may be built without these
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DEEP_WEIGHT = 3
"""16 bits a sample, and what is made of it, take this many times the memory of RGB."""

_ALPHA_WEIGHT = 2

_pixel_limit_lock = threading.Lock()

Size = tuple[int, int]


@dataclass(frozen=True)
class Limits:
    """What is refused before any pixel is decoded."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000


@dataclass(frozen=True)
class Header:
    """What a file says of itself. `width` and `height` in pixels, upright: after EXIF orientation.

    `damage` says what is broken in a file besides its pixels; None where nothing is.
    """

    format: str
    width: int
    height: int
    damage: str | None = None


@dataclass
class Picture:
    """A picture whose header is read and within the limits."""

    header: Header
    weight: int
    """What decoding it takes, in pixels of RGB."""
    _load: Callable[[], Image.Image] = field(repr=False)
    _orientation: int
    _data: bytes = field(repr=False)

    def rgb(self) -> Image.Image:
        """The pixels. Errors: those of `decode`."""
        try:
            image = self._load()
        except (MemoryError, BadImage):
            raise
        except Exception as error:
            _fail(self.header.format, self._data, error)
        return image.transpose(_TURNS[self._orientation]) if self._orientation in _TURNS else image


@dataclass
class _Opened:
    """What a format's own opener finds out; `load` gives RGB pixels, not yet turned. The size is that of the header."""

    size: Size
    load: Callable[[], Image.Image]
    orientation: int = 1
    damage: list[str] = field(default_factory=list)
    weight: int | None = None
    largest: int = 0
    """Pixels of the largest buffer, where that is not the picture."""


def probe(data: bytes, limits: Limits) -> Header:
    """Format, size and damage of a picture; no pixel is decoded. Errors: BadImage, for any reason that shows so far."""
    return open_picture(data, limits).header


def decode(data: bytes, limits: Limits, at_least: Size | None = None) -> Image.Image:
    """The first frame of a picture, mode "RGB", sRGB, upright, on white.

    Its size is that of `probe`. With `at_least` = (width, height), the decoder may halve, quarter or eighth a JPEG, as
    long as it is no smaller than that in either direction.

    Errors: BadImage with reason empty, not_an_image, unsupported, truncated, too_many_pixels, too_many_bytes or
    decode_error.
    """
    return open_picture(data, limits, at_least).rgb()


def open_picture(data: bytes, limits: Limits, at_least: Size | None = None) -> Picture:
    """`decode` in two steps, for those who must know first how much memory the second one takes. Errors: BadImage."""
    if not data:
        raise BadImage("empty", "the file has no bytes")
    if len(data) > limits.max_bytes:
        raise BadImage("too_many_bytes", f"{len(data)} bytes; the limit is {limits.max_bytes}")
    format_ = sniff(data)
    if format_ is None:
        raise BadImage("not_an_image", "the bytes start like no picture format we know")
    if format_ not in _OPENERS or (format_ in _NEEDS and not features.check(_NEEDS[format_])):
        raise BadImage("unsupported", f"{format_} is not decoded")
    _prepare(limits.max_pixels)
    try:
        opened = _OPENERS[format_](data, limits, at_least)
    except (MemoryError, BadImage):
        raise
    except Exception as error:
        _fail(format_, data, error)
    width, height = opened.size
    _refuse_large(format_, opened.size, limits)
    if opened.largest > limits.max_pixels:
        raise BadImage(
            "too_many_pixels", f"{format_} with a tile of {opened.largest} pixels; the limit is {limits.max_pixels}"
        )
    turned = (height, width) if opened.orientation >= 5 else (width, height)
    header = Header(format_, *turned, "; ".join(opened.damage) or None)
    weight = width * height if opened.weight is None else opened.weight
    return Picture(header, weight, opened.load, opened.orientation, data)


def _refuse_large(format_: str, size: Size, limits: Limits) -> None:
    width, height = size
    if width <= 0 or height <= 0:
        raise BadImage("decode_error", f"{format_} of {width}x{height} pixels")
    if width * height > limits.max_pixels:
        raise BadImage("too_many_pixels", f"{format_} of {width}x{height} pixels; the limit is {limits.max_pixels}")


def _fail(format_: str, data: bytes, error: Exception) -> NoReturn:
    """Names what a decoder raised, by the structure of the file and not by the words of the error."""
    detail = f"{format_}: {type(error).__name__}: {error}"[:500]
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        raise BadImage("too_many_pixels", detail) from error
    raise BadImage("decode_error" if is_whole(format_, data) else "truncated", detail) from error


def _prepare(pixels: int) -> None:
    """Keeps Pillow's own check, which some plug-ins make while opening, as a second line of defence behind ours.

    And keeps what the libraries say of odd files from the terminal.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for library in ("imagecodecs", "tifffile"):
        logging.getLogger(library).disabled = True
    if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
        with _pixel_limit_lock:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, pixels)


def _upright(size: Size, orientation: int) -> Size:
    """(width, height) as stored to as shown, and back."""
    return (size[1], size[0]) if orientation >= 5 else size


def _orientation(exif: Any, damage: list[str]) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none. Metadata that cannot be read is no reason to lose a picture."""
    if not isinstance(exif, bytes) or not exif:
        return 1
    exif = exif.removeprefix(b"Exif\0\0")
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, directory)
        for at in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, kind, _, short = struct.unpack_from(f"{order}HHIH", exif, at)
            if tag == 0x0112:
                value = short if kind == 3 else struct.unpack_from(f"{order}I", exif, at + 8)[0]
                return value if value in _TURNS else 1
    except (KeyError, struct.error):
        damage.append("EXIF cannot be read")
    return 1


def _pillow(plugin: type[ImageFile.ImageFile], data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    """A format that Pillow decodes as it is."""
    image = plugin(io.BytesIO(data))
    damage: list[str] = []
    orientation = _orientation(image.info.get("exif"), damage)

    def load() -> Image.Image:
        image.load()
        return _to_rgb(image, image.info.get("icc_profile"))

    width, height = image.size
    weight = width * height * (_ALPHA_WEIGHT if image.has_transparency_data else 1)
    return _Opened(image.size, load, orientation, damage, weight)


def _png(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    stream = streams.png(data)
    image = PngImagePlugin.PngImageFile(io.BytesIO(stream.data))
    width, height = image.size
    orientation = _orientation(stream.exif, stream.damage)

    def load() -> Image.Image:
        if stream.doubtful:
            streams.check_png_pixels(stream, most=(8 * width + 2) * height + 64)  # 64 bits, and filters, at most
        if stream.deep:
            return _deep_png(stream)
        image.load()
        alpha = None
        if stream.transparent:
            levels = np.asarray(image.convert("L") if image.mode == "1" else image)
            top = (1 << data[24]) - 1  # by the bit depth
            wanted = np.array([value * 255 // top for value in stream.transparent])
            same = (levels.reshape(*levels.shape[:2], -1) == wanted).all(axis=-1)
            alpha = Image.fromarray(np.where(same, 0, 255).astype(np.uint8))
        return colour.to_rgb(image, stream.profile, alpha)

    seen_through = image.has_transparency_data or stream.transparent
    weight = width * height * (_DEEP_WEIGHT if stream.deep else _ALPHA_WEIGHT if seen_through else 1)
    return _Opened(image.size, load, orientation, stream.damage, weight)


def _deep_png(stream: streams.Stream) -> Image.Image:
    import imagecodecs

    pixels = imagecodecs.png_decode(stream.data)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    colours = 3 if pixels.shape[2] >= 3 else 1
    alpha = None
    if stream.transparent:
        alpha = np.where((pixels == np.array(stream.transparent)).all(axis=-1), 0, 255).astype(np.uint8)
    elif pixels.shape[2] > colours:
        alpha = (pixels[:, :, colours] >> 8).astype(np.uint8)
    return colour.deep_to_rgb(pixels[:, :, :colours], stream.profile, alpha)


def _jpeg(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    stream = streams.jpeg(data)
    orientation = _orientation(stream.exif, stream.damage)

    def read(ending: bytes) -> tuple[JpegImagePlugin.JpegImageFile, Size]:
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(ending))
        size = image.size
        if at_least:
            image.draft(None, _upright(at_least, orientation))
        return image, size

    image, size = read(stream.data)

    def load() -> Image.Image:
        if stream.whole:
            image.load()
            return colour.to_rgb(image, stream.profile)
        endings = streams.jpeg_endings(stream.data)
        if endings is None:
            raise BadImage("truncated", "JPEG: scans are missing")
        (first, _), (second, _) = map(read, endings)
        first.load()
        second.load()
        if first.tobytes() != second.tobytes():
            raise BadImage("truncated", "JPEG: the file ends before its pixels do")
        return colour.to_rgb(first, stream.profile)

    # A progressive one is kept whole, as coefficients, until the last scan.
    width, height = size if stream.progressive else image.size
    return _Opened(size, load, orientation, stream.damage, width * height * (1 if stream.whole else 2))


def _webp(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    stream = streams.webp(data)
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(stream.data))
    orientation = _orientation(stream.exif, stream.damage)

    def load() -> Image.Image:
        image.load()
        return _to_rgb(image, stream.profile)

    width, height = image.size
    return _Opened(image.size, load, orientation, stream.damage, weight=width * height * _ALPHA_WEIGHT)


def _tiff(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    page = tiff.read(data)

    def load() -> Image.Image:
        return page.load(lambda segment: open_picture(segment, limits))

    weight = page.width * page.height * max(1, page.sample_bytes // 2) * (_DEEP_WEIGHT if page.lab else 1)
    return _Opened((page.width, page.height), load, page.orientation, weight=weight, largest=page.largest)


def _heif(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    def load() -> Image.Image:
        import pi_heif

        options = pi_heif.options
        options.DECODE_THREADS = 1
        options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False  # what else is in a file is not for us
        image = pi_heif.HeifImageFile(io.BytesIO(data))
        if image.size != size:
            raise ValueError(f"{image.size} pixels, but {size} in the header")
        image.load()  # turned by the container's own word, which overrules that of EXIF
        return _to_rgb(image, image.info.get("icc_profile"))

    size = heif.size(data)
    return _Opened(size, load, weight=size[0] * size[1] * _ALPHA_WEIGHT)  # the header does not say whether it has alpha


def _jpeg_xl(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    header = jpeg_xl.read(data)

    def load() -> Image.Image:
        return jpeg_xl.to_rgb(data, header)

    width, height = header.size
    return _Opened(header.size, load, weight=width * height * _DEEP_WEIGHT)


def _ico(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    picture = containers.largest_icon(data)
    if picture.startswith(b"\x89PNG"):
        return _png(picture, limits, at_least)
    size = containers.icon_size(picture)
    _refuse_large("ICO", size, limits)
    return _pillow(IcoImagePlugin.IcoImageFile, containers.single_icon(picture, size), limits, at_least)


def _psd(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    transparent = containers.psd_alpha(data)
    image = PsdImagePlugin.PsdImageFile(io.BytesIO(data))

    def load() -> Image.Image:
        image.load()
        alpha = None
        flat: Image.Image = image
        if image.mode == "RGBA":
            flat, fourth = image.convert("RGB"), image.getchannel("A")
            # Photoshop merges onto white, and then no pixel is darker than white seen through it.
            if transparent and (np.asarray(flat).min(axis=2) < 253 - np.asarray(fourth).astype(np.int16)).any():
                alpha = fourth
        return colour.to_rgb(flat, image.info.get("icc_profile"), alpha)

    return _Opened(image.size, load)


def _jpeg_2000(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    said = containers.jpeg_2000(data)
    image = Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data))

    def load() -> Image.Image:
        if said.depth <= 8:
            image.load()
            return colour.to_rgb(image, said.profile)
        import imagecodecs

        pixels = imagecodecs.jpeg2k_decode(data, numthreads=1)
        pixels = pixels.reshape(*pixels.shape[:2], -1) << (16 - said.depth)
        pixels |= pixels >> said.depth
        if image.mode == "CMYK":
            return colour.deep_to_rgb(pixels, said.profile)
        colours = 3 if pixels.shape[2] >= 3 else 1
        alpha = (pixels[:, :, colours] >> 8).astype(np.uint8) if pixels.shape[2] > colours else None
        return colour.deep_to_rgb(pixels[:, :, :colours], said.profile, alpha)

    width, height = image.size
    return _Opened(image.size, load, weight=width * height * (_DEEP_WEIGHT if said.depth > 8 else 1))


def _qoi(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    width, height = struct.unpack_from(">II", data, 4)

    def load() -> Image.Image:
        import imagecodecs

        if not is_whole("QOI", data):  # the decoder would repeat the last pixel
            raise BadImage("truncated", "QOI: there is no end marker")
        return colour.to_rgb(Image.fromarray(imagecodecs.qoi_decode(data)), None)

    return _Opened((width, height), load)


def _pnm(data: bytes, limits: Limits, at_least: Size | None) -> _Opened:
    head = pnm_head(data)
    if head is not None and head[1] in (b"2", b"3") and int(head[4]) > 255:
        raise BadImage("unsupported", "PNM: deep samples written out as text are not decoded")
    if head is None or head[1] in (b"1", b"2", b"3", b"4") or head[4] == b"255":
        return _pillow(PpmImagePlugin.PpmImageFile, data, limits, at_least)
    # Pillow decodes the others sample by sample, in Python.
    kind, width, height, most = map(int, head.groups())
    if not 0 < most < 65536:
        raise BadImage("decode_error", f"PNM with samples up to {most}")

    def load() -> Image.Image:
        shape = (height, width, 3 if kind == 6 else 1)
        code = ">u2" if most > 255 else "u1"
        samples = np.frombuffer(data, code, count=shape[0] * shape[1] * shape[2], offset=head.end())
        levels = np.minimum(samples, most).astype(np.uint32) * 65535 // most
        return colour.deep_to_rgb(levels.astype(np.uint16).reshape(shape), None)

    return _Opened((width, height), load, weight=width * height * _DEEP_WEIGHT)


def _to_rgb(image: Image.Image, profile: Any) -> Image.Image:
    """A loaded picture of any mode; deep grey is scaled to 8 bits, where Pillow itself would clip at 255."""
    usable = profile if isinstance(profile, bytes) else None
    if image.mode.startswith("I;16"):
        return colour.deep_to_rgb(np.asarray(image)[:, :, None], usable)
    if image.mode in ("I", "F"):
        levels = tiff.level(np.asarray(image), 32)
        return colour.to_rgb(Image.fromarray(levels), usable)
    return colour.to_rgb(image, usable)


# Plug-ins are called directly: `Image.open` would warn about sizes that `Limits` allows, and would take an MPO file
# (a JPEG followed by more JPEGs) for something other than the JPEG it starts with.
_OPENERS: dict[str, Callable[[bytes, Limits, Size | None], _Opened]] = {
    "AVIF": partial(_pillow, AvifImagePlugin.AvifImageFile),
    "BMP": partial(_pillow, BmpImagePlugin.BmpImageFile),
    "GIF": partial(_pillow, GifImagePlugin.GifImageFile),
    "HEIF": _heif,
    "ICO": _ico,
    "JPEG": _jpeg,
    "JPEG XL": _jpeg_xl,
    "JPEG2000": _jpeg_2000,
    "PNG": _png,
    "PNM": _pnm,
    "PSD": _psd,
    "QOI": _qoi,
    "TIFF": _tiff,
    "WEBP": _webp,
}
