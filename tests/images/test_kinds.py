"""Every kind of TIFF, and the formats beside the everyday ones: the right pixels, or a reason."""

from __future__ import annotations

import base64
import io
import itertools
import os
import struct
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from pictures import BLUE, HEIC, RED, encode, left_right, photo, png, square, swapped_profile, tiff
from PIL import Image, ImageCms

from featurize.errors import BadImage
from featurize.images.decode import Header, Limits, decode, probe

LIMITS = Limits()
COLOURS = np.asarray(photo(37, 29))
SHADES = np.ascontiguousarray(COLOURS[:, :, 1])
INKS = np.dstack([COLOURS, SHADES // 3])
PRINTED = np.asarray(Image.fromarray(INKS, "CMYK").convert("RGB"))
HALF = np.full((*SHADES.shape, 1), 153, np.uint8)  # 60 %
TOP = {"u1": 255, "u2": 65535, "u4": 2**32 - 1, "f2": 1, "f4": 1, "f8": 1}


def written(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def off(data: bytes, expected: np.ndarray) -> float:
    """Largest difference from the truth, of 255."""
    found = np.asarray(decode(data, LIMITS), float)
    truth = expected if expected.ndim == 3 else expected[:, :, None].repeat(3, axis=2)
    assert found.shape == truth.shape
    assert (probe(data, LIMITS).height, probe(data, LIMITS).width) == truth.shape[:2]
    return float(np.abs(found - truth).max())


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(BadImage) as caught:
        decode(data, limits)
    return caught.value.reason


def deep(pixels: np.ndarray, kind: str) -> np.ndarray:
    return (pixels / 255 * TOP[kind]).round(0 if kind[0] == "u" else 6).astype(kind)


@pytest.mark.parametrize("kind", TOP)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"rowsperstrip": 5}])
def test_tiff_samples_of_every_width(kind: str, order: str, layout: dict) -> None:
    predictor = 1 if kind == "f2" else 3 if kind in ("f4", "f8") else 2
    packings = [{}, {"compression": "lzw"}, {"compression": "zlib", "predictor": predictor}, {"compression": "zstd"}]
    for packing in packings:
        options = {"byteorder": order, **layout, **packing}
        assert off(written(deep(SHADES, kind), photometric="minisblack", **options), SHADES) <= 1
        white = (TOP[kind] - deep(SHADES, kind).astype("f8")).astype(kind)
        assert off(written(white, photometric="miniswhite", **options), SHADES) <= 2
        assert off(written(deep(COLOURS, kind), photometric="rgb", **options), COLOURS) <= 1
        planes = np.ascontiguousarray(deep(COLOURS, kind).transpose(2, 0, 1))
        assert off(written(planes, photometric="rgb", planarconfig="separate", **options), COLOURS) <= 1
    on_white = COLOURS * 0.6 + 255 * 0.4
    straight = np.dstack([deep(COLOURS, kind), deep(HALF, kind)])
    assert off(written(straight, photometric="rgb", extrasamples=["unassalpha"], **layout), on_white) <= 2
    times = np.dstack([deep(COLOURS * 0.6, kind), deep(HALF, kind)])
    assert off(written(times, photometric="rgb", extrasamples=["assocalpha"], **layout), on_white) <= 2


def test_tiff_samples_of_few_and_odd_bits() -> None:
    for bits in (2, 4, 10, 12, 14):
        levels = (SHADES.astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint8 if bits <= 8 else np.uint16)
        truth = levels.astype(float) * 255 / (2**bits - 1)
        assert off(written(levels, photometric="minisblack", bitspersample=bits), truth) <= 1, bits
        inverted = (2**bits - 1 - levels).astype(levels.dtype)
        assert off(written(inverted, photometric="miniswhite", bitspersample=bits), truth) <= 1, bits
    black = SHADES > 120
    for compression in (None, "packbits", "lzw", "zlib"):
        assert off(written(black, photometric="minisblack", compression=compression), black * 255) == 0
        assert off(written(black, photometric="miniswhite", compression=compression), ~black * 255) == 0
    one = Image.fromarray(black)
    for compression in ("group3", "group4", "tiff_ccitt"):
        assert off(encode(one, "TIFF", compression=compression), black * 255) == 0, compression


def test_tiff_inks_palettes_and_lab() -> None:
    for kind in ("u1", "u2"):
        assert off(written(deep(INKS, kind), photometric="separated"), PRINTED) <= 1
        planes = np.ascontiguousarray(deep(INKS, kind).transpose(2, 0, 1))
        assert off(written(planes, photometric="separated", planarconfig="separate"), PRINTED) <= 1
        seen = written(np.dstack([deep(INKS, kind), deep(HALF, kind)]), photometric="separated", extrasamples=[2])
        assert off(seen, PRINTED * 0.6 + 102) <= 2
    table = np.random.default_rng(2).integers(0, 65536, (3, 256), dtype=np.uint16)
    assert off(written(SHADES, photometric="palette", colormap=table), (table >> 8).T[SHADES]) == 0
    lab = ImageCms.profileToProfile(
        Image.fromarray(COLOURS), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    signed = np.asarray(lab).copy()
    offset = signed ^ np.array([0, 128, 128], np.uint8)
    deep_signed = np.dstack([signed[:, :, :1].astype(np.uint16) * 257, signed[:, :, 1:].astype(np.uint16) * 256])
    for pixels, kind in ((signed, 8), (deep_signed, 8), (offset, 9), (offset.astype(np.uint16) * 256, 9)):
        found = np.asarray(decode(written(pixels, photometric=kind), LIMITS), float)
        assert np.abs(found - COLOURS).mean() < 1.5, (pixels.dtype, kind)


def test_tiff_of_several_pages_gives_the_picture_not_its_thumbnail() -> None:
    small = COLOURS[::4, ::4]
    for first in ({"subfiletype": 1}, {"extratags": [(255, "H", 1, 2, True)]}):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as pages:
            pages.write(small, photometric="rgb", **first)
            pages.write(COLOURS, photometric="rgb")
            pages.write(small, photometric="rgb")
        assert off(file.getvalue(), COLOURS) == 0
    with tifffile.TiffWriter(beneath := io.BytesIO()) as pages:
        pages.write(small, photometric="rgb", subfiletype=1, subifds=1)
        pages.write(COLOURS, photometric="rgb")
    assert off(beneath.getvalue(), COLOURS) == 0
    assert off(written(COLOURS, photometric="rgb", subfiletype=1), COLOURS) == 0  # all there is


def test_tiffs_that_would_not_come_out_right_are_unsupported() -> None:
    body = bytes(8 * 8 * 3)
    for tags in (
        {262: 32803},  # camera raw: colour filter array
        {262: 34892, 277: 3},  # linear raw
        {50706: 1},  # DNG
        {262: 32845, 277: 3},  # LogLuv
        {262: 6, 277: 3, 530: 0x00020002},  # subsampled YCbCr without JPEG
        {262: 5, 277: 4, 332: 2},  # other inks than CMYK
        {262: 2, 277: 1},  # a third of a colour
        {259: 34712},  # JPEG 2000
        {259: 6},  # old-style JPEG
        {339: 6},  # complex numbers
    ):
        data = tiff(8, 8, {273: -1, 278: 8, 279: len(body), **tags}, body)
        assert reason(data) == "unsupported", tags
    missing = tiff(8, 8, {273: -1, 278: 8, 279: 10_000}, body)
    assert reason(missing) == "truncated"
    short = tiff(8, 8, {273: -1, 278: 8, 279: 20}, bytes(20))
    assert reason(short) in ("truncated", "decode_error")


def test_a_tiff_strip_that_is_a_picture_itself_is_held_to_the_limit() -> None:
    strip = encode(square(RED, size=(2000, 2000)), "JPEG")
    data = tiff(16, 16, {259: 7, 262: 6, 277: 3, 273: -1, 278: 16, 279: len(strip)}, strip)
    assert reason(data, Limits(max_pixels=1_000_000)) == "too_many_pixels"


def linear(values: np.ndarray) -> np.ndarray:
    """Light of 0 to 1 to sRGB of 0 to 255."""
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055) * 255


@pytest.mark.parametrize(("depth", "kind"), itertools.product((8, 16), (0, 2, 4, 6)))
def test_the_gamma_of_a_png_is_honoured(depth: int, kind: int) -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    top = 2**depth - 1
    ramp = np.linspace(0, top, 256).round()
    row = np.full((256, channels), top)
    row[:, : channels - (kind >= 4)] = ramp[:, None]
    rows = b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes()
    for said, power in ((100_000, 1.0), (55_556, 1.8), (30_000, 1 / 0.3)):
        data = png(256, 1, depth, kind, rows, before=((b"gAMA", struct.pack(">I", said)),))
        found = np.asarray(decode(data, LIMITS), float)[0, :, 1]
        assert np.abs(found - linear((ramp / top) ** power)).max() <= 1.6, said
        overruled = png(256, 1, depth, kind, rows, before=((b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", said))))
        assert np.abs(np.asarray(decode(overruled, LIMITS), float)[0, :, 1] - np.arange(256)).max() <= 1
    plain = png(256, 1, depth, kind, rows, before=((b"gAMA", struct.pack(">I", 45455)),))
    assert np.abs(np.asarray(decode(plain, LIMITS), float)[0, :, 1] - np.arange(256)).max() <= 1


def test_the_primaries_of_a_png_are_honoured() -> None:
    p3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    swapped = (31270, 32900, 15000, 6000, 30000, 60000, 64000, 33000)  # what it calls red is blue
    pixels = b"\0" + bytes([255, 0, 0, 120, 130, 110])
    said = png(2, 1, 8, 2, pixels, before=((b"cHRM", struct.pack(">8I", *swapped)),))
    assert np.abs(np.asarray(decode(said, LIMITS), int)[0, 0] - BLUE).max() <= 3
    # Display P3 of (120, 130, 110), by the published matrices
    to_xyz = np.array([[0.48657, 0.26567, 0.19822], [0.22897, 0.69174, 0.07929], [0.0, 0.04511, 1.04394]])
    from_xyz = np.array([[3.24097, -1.53738, -0.49861], [-0.96924, 1.87597, 0.04156], [0.05563, -0.20398, 1.05697]])
    light = np.array([120, 130, 110]) / 255
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    said = png(2, 1, 8, 2, pixels, before=((b"cHRM", struct.pack(">8I", *p3)),))
    assert np.abs(np.asarray(decode(said, LIMITS), float)[0, 1] - linear(from_xyz @ to_xyz @ light)).max() <= 1.5
    nonsense = png(2, 1, 8, 2, pixels, before=((b"cHRM", bytes(32)), (b"gAMA", bytes(4))))
    assert np.asarray(decode(nonsense, LIMITS))[0, 0].tolist() == list(RED)
    assert probe(nonsense, LIMITS).damage == "gAMA or cHRM make no sense"
    profile = (b"iCCP", b"x\0\0" + zlib.compress(swapped_profile()))
    overruled = png(2, 1, 8, 2, pixels, before=(profile, (b"gAMA", struct.pack(">I", 100_000))))
    assert np.abs(np.asarray(decode(overruled, LIMITS), int)[0, 0] - BLUE).max() <= 8


def test_jpeg_2000_of_any_depth_and_profile() -> None:
    for bits, code in itertools.product((8, 10, 12, 16), ("jp2", "j2k")):
        kind = np.uint8 if bits == 8 else np.uint16
        levels = (COLOURS.astype(np.uint32) * (2**bits - 1) // 255).astype(kind)
        alpha = np.full((*SHADES.shape, 1), (2**bits - 1) * 6 // 10, kind)
        for pixels, truth in (
            (levels, COLOURS),
            (levels[:, :, 1], SHADES),
            (np.dstack([levels, alpha]), COLOURS * 0.6 + 102),
        ):
            options = {"reversible": True, "bitspersample": bits, "codecformat": code}
            assert off(imagecodecs.jpeg2k_encode(np.ascontiguousarray(pixels), **options), truth) <= 1.5
    plain = encode(square(RED), "JPEG2000")
    at = plain.index(b"colr") - 4
    box = struct.pack(">I", 11 + len(swapped_profile())) + b"colr\2\0\0" + swapped_profile()
    outer = plain.index(b"jp2h") - 4
    length = int.from_bytes(plain[outer : outer + 4]) + len(box) - 15
    data = plain[:outer] + struct.pack(">I", length) + plain[outer + 4 : at] + box + plain[at + 15 :]
    assert np.abs(np.asarray(decode(data, LIMITS), int)[4, 4] - BLUE).max() <= 8


def test_heic_upright_by_the_word_of_the_container() -> None:
    assert probe(HEIC, LIMITS) == Header("HEIF", 32, 64)
    shown = decode(HEIC, LIMITS)
    assert shown.size == (32, 64)
    assert np.abs(np.array(shown.getpixel((16, 8))) - RED).max() < 12
    assert np.abs(np.array(shown.getpixel((16, 56))) - BLUE).max() < 12
    for share in (0.3, 0.5, 0.9):
        assert reason(HEIC[: int(len(HEIC) * share)]) == "truncated"
    assert reason(HEIC, Limits(max_pixels=2000)) == "too_many_pixels"
    assert reason(HEIC.replace(b"infe\2\0\0\0\0\1\0\0hvc1", b"infe\2\0\0\0\0\1\0\0\xff\xfec1")) == "decode_error"


def test_jpeg_xl() -> None:
    for pixels, truth in (
        (COLOURS, COLOURS),
        (SHADES, SHADES),
        (np.dstack([COLOURS, HALF]), COLOURS * 0.6 + 102),
    ):
        assert off(imagecodecs.jpegxl_encode(pixels, lossless=True), truth) <= 1
    assert probe(imagecodecs.jpegxl_encode(COLOURS, lossless=True), LIMITS) == Header("JPEG XL", 37, 29)
    lossy = np.asarray(decode(imagecodecs.jpegxl_encode(COLOURS, level=95), LIMITS), float)
    assert np.abs(lossy - COLOURS).mean() < 6
    words = np.linspace(0, 65535, 256).round().astype(np.uint16)[None, :].repeat(8, axis=0)
    ramp = imagecodecs.jpegxl_encode(np.dstack([words] * 3), lossless=True)  # written as linear light
    assert off(ramp, linear(words[:, :, None].repeat(3, 2) / 65535)) <= 1.6
    for size in ((1, 1), (3000, 2), (256, 256), (640, 480), (1920, 1080), (9, 700)):
        data = imagecodecs.jpegxl_encode(np.zeros((size[1], size[0], 3), np.uint8), lossless=True, effort=1)
        assert probe(data, LIMITS) == Header("JPEG XL", *size)
    data = imagecodecs.jpegxl_encode(COLOURS, level=90)
    for share in (0.1, 0.5, 0.9):
        assert reason(data[: int(len(data) * share)]) == "truncated"
    assert reason(data, Limits(max_pixels=1000)) == "too_many_pixels"


def test_icons_give_their_largest_picture() -> None:
    picture = photo(64, 64)
    for form in ("png", "bmp"):
        data = encode(picture, "ICO", bitmap_format=form, sizes=[(16, 16), (64, 64), (32, 32)])
        assert probe(data, LIMITS) == Header("ICO", 64, 64)
        assert off(data, np.asarray(picture)) == 0
        assert reason(data[:-100]) == "truncated"
        assert reason(data, Limits(max_pixels=4000)) == "too_many_pixels"
    seen = encode(square((255, 0, 0, 102), "RGBA"), "ICO", bitmap_format="bmp", sizes=[(16, 16)])
    assert np.abs(np.asarray(decode(seen, LIMITS), int)[4, 4] - (255, 153, 153)).max() <= 1


def test_portable_maps() -> None:
    height, width = SHADES.shape
    head = f"{width} # how wide\n{height}\n"
    words = SHADES.astype(">u2")
    for magic, top, body, truth in (
        ("P5", "255\n", SHADES.tobytes(), SHADES),
        ("P6", "255\n", COLOURS.tobytes(), COLOURS),
        ("P5", "65535\n", (words * 257).tobytes(), SHADES),
        ("P5", "65535\n", words.tobytes(), SHADES * 0),  # nearly black, and not stretched
        ("P6", "65535\n", (COLOURS.astype(">u2") * 257).tobytes(), COLOURS),
        ("P6", "100\n", (COLOURS // 3).tobytes(), np.minimum(COLOURS // 3, 100) * 2.55),
        ("P6", "1023\n", (COLOURS.astype(int) * 4).astype(">u2").tobytes(), COLOURS * (4 * 255 / 1023)),
        ("P2", "255\n", " ".join(map(str, SHADES.ravel())).encode(), SHADES),
        ("P3", "255\n", " ".join(map(str, COLOURS.ravel())).encode(), COLOURS),
        ("P4", "", np.packbits(SHADES < 128, axis=1).tobytes(), (SHADES >= 128) * 255),
        ("P1", "", " ".join(str(int(v)) for v in (SHADES < 128).ravel()).encode(), (SHADES >= 128) * 255),
    ):
        data = f"{magic}\n{head}{top}".encode() + body
        assert off(data, truth) <= 1, magic
        assert reason(data[: len(data) * 2 // 3]) == "truncated", magic
    assert reason(b"P6\n60000 60000\n255\n") == "too_many_pixels"
    assert reason(b"P7\nWIDTH 1\n") == "unsupported"
    assert reason(b"P2\n1 1\n65535\n7\n") == "unsupported"


def test_qoi() -> None:
    for pixels, truth in ((COLOURS, COLOURS), (np.dstack([COLOURS, HALF]), COLOURS * 0.6 + 102)):
        data = imagecodecs.qoi_encode(pixels)
        assert off(data, truth) <= 1
        assert reason(data[:-8]) == reason(data[: len(data) // 2]) == "truncated"


def psd(mode: int, planes: np.ndarray, layers: int = 0, resources: bytes = b"") -> bytes:
    """A Photoshop file with a merged picture of planes (channels, height, width); `layers` is the count it gives."""
    channels, height, width = planes.shape
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, channels, height, width, 8, mode)
    beneath = struct.pack(">IIh2x", 8, 4, layers)
    body = struct.pack(">H", 0) + planes.tobytes()
    return head + bytes(4) + struct.pack(">I", len(resources)) + resources + beneath + body


def test_the_merged_picture_of_photoshop_files() -> None:
    planes = np.ascontiguousarray(COLOURS.transpose(2, 0, 1))
    alpha = np.broadcast_to(HALF[None, :, :, 0], (1, *SHADES.shape))
    assert off(psd(3, planes), COLOURS) == 0
    assert off(psd(1, SHADES[None]), SHADES) == 0
    assert off(psd(4, 255 - np.ascontiguousarray(INKS.transpose(2, 0, 1))), PRINTED) <= 1
    merged = (planes * 0.6 + 102).round().astype(np.uint8)  # as Photoshop merges: on white
    assert off(psd(3, np.concatenate([merged, alpha]), layers=-1), COLOURS * 0.6 + 102) <= 1
    assert off(psd(3, np.concatenate([planes, alpha]), layers=-1), COLOURS * 0.6 + 102) <= 1  # as others do
    assert off(psd(3, np.concatenate([planes, alpha]), layers=1), COLOURS) == 0  # a saved selection
    not_merged = struct.pack(">4sHHIIB4x", b"8BIM", 0x0421, 0, 9, 1, 0) + b"\0"
    assert reason(psd(3, planes, resources=not_merged)) == "unsupported"
    assert reason(psd(3, planes)[:-500]) == "truncated"
    assert reason(psd(9, planes)) == "unsupported"


def test_twelve_bit_and_lossless_jpegs_are_unsupported() -> None:
    data = bytearray(encode(left_right(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 4] = 12
    assert reason(bytes(data)) == "unsupported"
    data[at + 1], data[at + 4] = 0xC3, 8
    assert reason(bytes(data)) == "unsupported"


SILENT = """
import base64, sys
from featurize.errors import BadImage
from featurize.images.decode import Limits, decode
for line in sys.stdin:
    try:
        decode(base64.b64decode(line), Limits())
    except BadImage:
        pass
"""


def test_no_decoder_writes_to_the_terminal() -> None:
    broken = encode(photo(40, 30), "TIFF", compression="tiff_lzw")
    files = [
        encode(left_right(), "JPEG", exif=b"Exif\0\0nonsense, not a directory"),
        encode(left_right().quantize(2), "PNG", transparency=bytes([0, 128])),
        broken[:200] + bytes(100) + broken[300:],
        tiff(8, 8, {273: -1, 278: 8, 279: 64, 282: 7, 700: 3}, bytes(64)),
        encode(photo(40, 30), "TIFF", compression="jpeg")[:-300] + bytes(300),
        encode(photo(40, 30), "JPEG")[:-200],
        HEIC[:-40] + bytes(40),
    ]
    files.append(png(2, 2, 16, 2, (b"\0" + bytes(12)) * 2)[:-20] + bytes(20))
    done = subprocess.run(
        [sys.executable, "-c", SILENT],
        input=b"\n".join(map(base64.b64encode, files)),
        capture_output=True,
        env=dict(os.environ),
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
