"""TIFF files to pixels, whatever they mean by them: tifffile takes the file apart, here its samples become colours.

What is not known for sure to come out right (photometry, inks, chroma subsampling, camera raw) is `unsupported`. Of
several pages the first that is a picture counts, not a reduced copy or a mask of one, be it beneath a thumbnail.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from featurize.errors import BadImage
from featurize.images import colour

_PAGES = 64  # looked at for one that is no reduced copy
_MAX_SAMPLES = 8
_GREY = {0, 1}  # white or black is zero
_RGB, _PALETTE, _INKS, _YCBCR, _CIELAB, _ICCLAB = 2, 3, 5, 6, 8, 9
_COLOURS = {0: 1, 1: 1, _RGB: 3, _PALETTE: 1, _INKS: 4, _YCBCR: 3, _CIELAB: 3, _ICCLAB: 3}
_RAW = {32803, 34892}  # colour filter array, linear raw
_JPEG, _WEBP = 7, 50001
_COMPRESSIONS = {1, 2, 3, 4, 5, _JPEG, 8, 32773, 32946, 34925, 50000, _WEBP}
_UNITS = {"u": "u", "b": "u", "i": "i", "f": "f"}


@dataclass
class Tiff:
    """A page with its tags read. `width` and `height` as stored, `orientation` still to be applied."""

    width: int
    height: int
    orientation: int
    largest: int
    """Pixels of the largest buffer: one tile is one, however small the picture."""
    sample_bytes: int
    profile: bytes | None
    lab: bool
    """L*a*b*: computed with in floating point."""
    _page: Any
    _data: bytes

    def load(self, size_of: Callable[[bytes], object]) -> Image.Image:
        """RGB on white, not turned. `size_of` refuses a strip or tile that is itself too large a picture."""
        samples = _samples(self._page, self._data, size_of)
        kind = int(self._page.photometric)
        if kind == _YCBCR and self._page.compression == _JPEG:
            kind = _RGB  # converted by the JPEG decoder
        colours = _COLOURS[kind]
        alpha, associated = _alpha(self._page, samples, colours)
        return _to_rgb(samples[:, :, :colours], kind, self._page, self.profile, alpha, associated)


def read(data: bytes) -> Tiff:
    """Errors: BadImage unsupported or truncated; any other exception for a file that cannot be read."""
    import tifffile

    file = tifffile.TiffFile(io.BytesIO(data), name="picture.tif")
    page = _picture_page(file, data)
    kind, bits, samples = int(page.photometric), page.bitspersample, int(page.samplesperpixel)
    if page.compression not in _COMPRESSIONS:
        raise BadImage("unsupported", f"TIFF with compression {_said(page.compression)} is not decoded")
    if kind not in _COLOURS:
        raise BadImage("unsupported", f"TIFF with photometric interpretation {_said(page.photometric)} is not decoded")
    if not isinstance(bits, int) or page.dtype is None or page.dtype.kind not in _UNITS or page.imagedepth != 1:
        raise BadImage("unsupported", f"TIFF with samples of {bits} bits, format {page.sampleformat} is not decoded")
    if not _COLOURS[kind] <= samples <= _MAX_SAMPLES:
        raise BadImage("unsupported", f"TIFF with {samples} samples of {_said(page.photometric)} is not decoded")
    if kind >= _PALETTE and not _is_plain(page, kind, bits):
        raise BadImage("unsupported", f"TIFF: this variety of {_said(page.photometric)} is not decoded")
    orientation = page.tags.valueof(274, 1)
    profile = page.tags.valueof(34675)
    return Tiff(
        width=page.imagewidth,
        height=page.imagelength,
        orientation=orientation if orientation in range(1, 9) else 1,
        largest=max(page.imagewidth * page.imagelength, page.tilewidth * page.tilelength),
        sample_bytes=samples * page.dtype.itemsize,
        profile=profile if isinstance(profile, bytes) else None,
        lab=kind in (_CIELAB, _ICCLAB),
        _page=page,
        _data=data,
    )


def _picture_page(file: Any, data: bytes) -> Any:
    pages = list(islice(file.pages, _PAGES))
    first = pages[0]
    beneath = list(islice(first.pages or (), _PAGES))
    if data[8:10] == b"CR" or 50706 in first.tags or any(int(page.photometric) in _RAW for page in (*pages, *beneath)):
        raise BadImage("unsupported", "a camera's RAW is not decoded")
    return next((page for page in (*pages, *beneath) if not _is_reduced(page)), first)


def _is_reduced(page: Any) -> bool:
    return bool(int(page.tags.valueof(254, 0)) & 5) or page.tags.valueof(255, 1) == 2


def _is_plain(page: Any, kind: int, bits: int) -> bool:
    """Whether samples of the kinds with varieties are of the one that is understood."""
    unsigned = page.dtype.kind in "ub"
    match kind:
        case 3:  # palette
            return unsigned and page.colormap is not None and page.colormap.shape == (3, 2**bits)
        case 5:  # inks
            return unsigned and bits in (8, 16) and page.tags.valueof(332, 1) == 1
        case 6:  # YCbCr
            jpeg = page.compression == _JPEG and page.planarconfig == 1 and page.samplesperpixel == 3
            return jpeg or (
                unsigned and bits == 8 and page.compression != _WEBP and not page.is_subsampled and _usual_ycbcr(page)
            )
        case _:  # L*a*b*
            return unsigned and bits in (8, 16)


def _usual_ycbcr(page: Any) -> bool:
    def near(tag: int, usual: tuple[float, ...]) -> bool:
        said = _ratios(page.tags.valueof(tag))
        return said is None or (len(said) == len(usual) and bool(np.allclose(said, usual, atol=0.01)))

    return near(529, (0.299, 0.587, 0.114)) and near(532, (0, 255, 128, 255, 128, 255))


def _ratios(said: Any) -> list[float] | None:
    """Numbers of a tag with fractions; None where it is missing."""
    return None if said is None else [above / below for above, below in zip(said[::2], said[1::2], strict=True)]


def _samples(page: Any, data: bytes, size_of: Callable[[bytes], object]) -> np.ndarray:
    """The samples as stored, shape (height, width, samples). Errors: BadImage where strips or tiles are missing."""
    spans = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    needed = int(np.prod(page.chunked))
    contiguous = page.is_contiguous
    if len(spans) < (1 if contiguous else needed) or any(
        begin <= 0 or size <= 0 or begin + size > len(data) for begin, size in spans[:needed]
    ):
        raise BadImage("truncated", "TIFF: strips or tiles lie beyond the end of the file")
    if page.compression in (_JPEG, _WEBP):
        for begin, size in spans[:needed]:
            size_of(data[begin : begin + size])
    found = page.asarray(squeeze=False, maxworkers=1)  # (separate samples, depth, height, width, samples)
    planes: np.ndarray = found[:, 0, :, :, 0].transpose(1, 2, 0) if found.shape[0] > 1 else found[0, 0]
    return planes


def _alpha(page: Any, samples: np.ndarray, colours: int) -> tuple[np.ndarray | None, bool]:
    """uint8 alpha of shape (height, width), where a sample is said to be it, and whether colours are times it."""
    for number, meaning in enumerate(page.extrasamples or ()):
        if meaning in (1, 2) and colours + number < samples.shape[2]:
            return _to_8(level(samples[:, :, colours + number], page.bitspersample)), meaning == 1
    return None, False


def _to_rgb(
    samples: np.ndarray, kind: int, page: Any, profile: bytes | None, alpha: np.ndarray | None, associated: bool
) -> Image.Image:
    bits = page.bitspersample
    if kind == _PALETTE:
        table = page.colormap.T
        table = (table if table.max() < 256 else table >> 8).astype(np.uint8)  # some write 8 bits where 16 belong
        samples, bits = table[samples[:, :, 0]], 8
    elif kind in (_CIELAB, _ICCLAB):
        image = colour.lab_to_rgb(_lab(samples, bits, kind), _ratios(page.tags.valueof(318)))  # WhitePoint
        return colour.to_rgb(image, None, None if alpha is None else Image.fromarray(alpha))
    levels = level(samples, bits)
    if kind == 0:  # white is zero
        levels = np.iinfo(levels.dtype).max - levels
    if associated and alpha is not None:
        levels = _divided(levels, alpha)
    if levels.dtype == np.uint16:
        return colour.deep_to_rgb(np.ascontiguousarray(levels), profile, alpha)
    mode = {_INKS: "CMYK", _YCBCR: "YCbCr"}.get(kind, "RGB" if levels.shape[2] == 3 else "L")
    flat = np.ascontiguousarray(levels[:, :, 0] if mode == "L" else levels)
    return colour.to_rgb(
        Image.frombytes(mode, (flat.shape[1], flat.shape[0]), flat.tobytes()),
        profile,
        None if alpha is None else Image.fromarray(alpha),
    )


def level(samples: np.ndarray, bits: int) -> np.ndarray:
    """Samples to uint8 or uint16, whose range is that of the stored ones.

    Of those wider than 16 bits, signed or float, nothing tells the white point: it is the least of 1 (floats), 255 and
    65535 that no pixel exceeds, else what the type holds, for floats the brightest pixel.
    """
    kind = samples.dtype.kind
    if kind in "ub" and bits <= 8:
        small = samples if bits == 8 else samples.astype(np.uint16) * 255 // (2**bits - 1)
        return np.asarray(small, np.uint8)
    if kind == "u" and bits <= 16:
        wide = np.asarray(samples, np.uint16)
        return wide if bits == 16 else (wide << (16 - bits)) | (wide >> (2 * bits - 16))
    numbers = np.nan_to_num(samples.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
    brightest = float(numbers.max(initial=0))
    most = brightest if kind == "f" else float(np.iinfo(samples.dtype).max)
    whites = (1.0, 255.0, 65535.0) if kind == "f" else (min(255.0, most), min(65535.0, most))
    white = next((top for top in whites if brightest <= top), most)
    np.clip(numbers, 0.0, white, out=numbers)
    numbers *= 255.0 / white
    numbers += 0.5
    return numbers.astype(np.uint8)


def _to_8(levels: np.ndarray) -> np.ndarray:
    small = levels >> 8 if levels.dtype == np.uint16 else levels
    return np.ascontiguousarray(small.astype(np.uint8, copy=False))


def _divided(levels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours that were stored times alpha, as they are without."""
    top = np.iinfo(levels.dtype).max
    share = np.maximum(alpha, 1).astype(np.float32)[:, :, None] / 255
    return np.asarray(np.minimum(levels / share + 0.5, top), levels.dtype)


def _lab(samples: np.ndarray, bits: int, kind: int) -> np.ndarray:
    """L* of 0 to 100, a* and b*, in float32: TIFF 6.0 section 23 and, for ICCLAB, TIFF technical note 4."""
    made = np.empty(samples.shape, np.float32)
    deep = bits == 16
    top = {(False, _CIELAB): 255, (False, _ICCLAB): 255, (True, _CIELAB): 65535, (True, _ICCLAB): 65280}[deep, kind]
    made[:, :, 0] = samples[:, :, 0] * np.float32(100 / top)
    ab = samples[:, :, 1:]
    if kind == _CIELAB:
        made[:, :, 1:] = ab.astype(np.int16 if deep else np.int8)
    else:
        made[:, :, 1:] = ab.astype(np.float32) - (32768 if deep else 128)
    if deep:
        made[:, :, 1:] /= 256
    return made


def _said(value: Any) -> str:
    return str(getattr(value, "name", value))
