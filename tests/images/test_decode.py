"""Whatever the file holds, its pixels come out right."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import (
    BLUE,
    EVERY_FORMAT,
    RED,
    WHITE,
    encode,
    every_format,
    left_right,
    orientation,
    photo,
    png,
    press_profile,
    square,
    srgb_profile,
    swapped_profile,
    tiff,
)
from PIL import Image, ImageCms

from featurize.images.decode import Header, Limits, decode, probe

LIMITS = Limits()


@pytest.fixture(scope="module")
def encoded() -> dict[str, bytes]:
    return every_format()


def color_of(data: bytes, at: tuple[int, int] = (4, 4)) -> np.ndarray:
    image = decode(data, LIMITS)
    assert image.mode == "RGB"
    return np.array(image.getpixel(at))


def close(data: bytes, color: tuple[int, int, int], within: int = 4) -> bool:
    return bool(np.abs(color_of(data) - color).max() <= within)


@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_every_format_gives_the_picture_at_the_size_its_header_says(encoded: dict[str, bytes], name: str) -> None:
    header = probe(encoded[name], LIMITS)
    image = decode(encoded[name], LIMITS)
    turned = {"progressive": 270, "png": 90, "avif": 180}.get(name, 0)
    expected = photo(48, 64).transpose(Image.TRANSPOSE) if name == "webp" else photo(48, 64).rotate(turned, expand=True)
    assert header == Header(EVERY_FORMAT[name][0], *expected.size)
    assert (image.mode, image.size) == ("RGB", expected.size)
    assert np.abs(np.asarray(image, float) - np.asarray(expected, float)).mean() < 16  # of 255; GIF has 256 colours


def test_cmyk_jpegs_come_out_in_their_colours() -> None:
    assert close(encode(square((0, 255, 255, 0), "CMYK"), "JPEG", quality=95), RED)
    # YCCK: the first three channels hold the YCbCr of the ink. Flip Adobe's transform flag from "none" to "YCCK".
    y, cb, cr = Image.new("RGB", (1, 1), (0, 255, 255)).convert("YCbCr").getpixel((0, 0))
    stored = encode(square((255 - y, 255 - cb, 255 - cr, 0), "CMYK"), "JPEG", quality=95)
    flag = stored.index(b"Adobe") + 11
    assert stored[flag] == 0
    ycck = stored[:flag] + b"\x02" + stored[flag + 1 :]
    assert not close(stored, RED, within=40)
    assert close(ycck, RED)


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)[None, :].repeat(4, axis=0)
    for format_ in ("PNG", "TIFF", "JPEG2000"):
        pixels = np.asarray(decode(encode(Image.fromarray(ramp), format_), LIMITS))
        assert np.abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1, format_
    big_endian = Image.frombytes("I;16B", (256, 4), ramp.astype(">u2").tobytes())
    assert np.asarray(decode(encode(big_endian, "TIFF"), LIMITS))[0, :, 1].tolist() == list(range(256))


def test_deep_colour_and_alpha() -> None:
    ramp = [(v * 257, 65535 - v * 257, 0) for v in range(256)]
    rows = b"\0" + np.array(ramp, dtype=">u2").tobytes()
    pixels = np.asarray(decode(png(256, 1, 16, 2, rows), LIMITS))
    assert pixels[0].tolist() == [[v, 255 - v, 0] for v in range(256)]
    half_red = b"\0" + np.array([65535, 0, 0, 32768], dtype=">u2").tobytes()
    assert np.abs(np.asarray(decode(png(1, 1, 16, 6, half_red), LIMITS))[0, 0] - (255, 127, 127)).max() <= 1


def test_float_and_integer_tiffs_keep_their_shades() -> None:
    steps = np.linspace(0, 1, 256, dtype=np.float32)[None, :]
    shades = list(range(256))
    for scale in (1, 255, 65535, 1e6):
        data = encode(Image.fromarray(steps * np.float32(scale)), "TIFF")
        assert np.abs(np.asarray(decode(data, LIMITS))[0, :, 0].astype(int) - shades).max() <= 1, scale
    odd = np.array([[np.nan, -5.0, np.inf, 0.5, 1.0]], dtype=np.float32)
    assert np.asarray(decode(encode(Image.fromarray(odd), "TIFF"), LIMITS))[0, :, 0].tolist() == [0, 0, 0, 128, 255]
    integers = encode(Image.fromarray((steps * 65535).astype(np.int32)), "TIFF")
    assert np.abs(np.asarray(decode(integers, LIMITS))[0, :, 0].astype(int) - shades).max() <= 1
    twelve_bits = tiff(2, 1, {258: 12, 273: -1, 278: 1, 279: 3}, bytes([0x80, 0x0F, 0xFF]))  # 0x800, 0xfff
    assert np.asarray(decode(twelve_bits, LIMITS))[0, :, 0].tolist() == [128, 255]


def test_transparency_is_laid_on_white() -> None:
    assert close(encode(square((255, 0, 0, 0), "RGBA"), "PNG"), WHITE, within=0)
    assert close(encode(square((255, 0, 0, 128), "RGBA"), "PNG"), (255, 127, 127), within=1)
    assert close(encode(square((0, 0, 255, 51), "RGBA"), "WEBP", lossless=True), (204, 204, 255), within=1)
    assert close(encode(square((0, 128), "LA"), "PNG"), (127, 127, 127), within=1)
    assert close(encode(square((0, 255), "LA"), "TIFF"), (0, 0, 0), within=0)
    assert close(encode(square(100, "L"), "PNG", transparency=100), WHITE, within=0)
    assert close(encode(square(RED), "PNG", transparency=RED), WHITE, within=0)
    for format_ in ("PNG", "GIF"):
        two = left_right().quantize(2)
        data = encode(two, format_, transparency=two.getpixel((4, 4)))  # red goes, blue stays
        assert color_of(data, (4, 4)).tolist() == list(WHITE)
        assert color_of(data, (28, 4)).tolist() == list(BLUE)
    faint = encode(square(0, "P"), "PNG", transparency=bytes([128]))  # one alpha per palette entry; entry 0 is black
    assert close(faint, (127, 127, 127), within=1)


def test_other_modes() -> None:
    one = square(0, "1")
    one.paste(1, (0, 0, 8, 16))
    for format_, options in (("PNG", {}), ("TIFF", {"compression": "group4"}), ("BMP", {})):
        data = encode(one, format_, **options)
        assert (color_of(data).tolist(), color_of(data, (12, 4)).tolist()) == ([255] * 3, [0] * 3), format_
    assert close(encode(square(77, "L"), "JPEG"), (77, 77, 77), within=1)
    assert close(encode(square(RED).convert("YCbCr"), "TIFF"), RED)
    assert close(encode(square((0, 255, 255, 0), "CMYK"), "TIFF"), RED)
    lab = ImageCms.profileToProfile(
        square(RED), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    assert close(encode(lab, "TIFF"), RED, within=6)


@pytest.mark.parametrize(
    ("value", "corner"), [(1, "tl"), (2, "tr"), (3, "br"), (4, "bl"), (5, "tl"), (6, "tr"), (7, "br"), (8, "bl")]
)
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(format_: str, value: int, corner: str) -> None:
    image = square(WHITE, size=(64, 32))
    image.paste(RED, (0, 0, 16, 16))  # the stored first corner; where it shows is what the tag is about
    data = encode(image, format_, exif=orientation(value))
    shown = decode(data, LIMITS)
    assert shown.size == ((32, 64) if value >= 5 else (64, 32))
    assert probe(data, LIMITS) == Header(format_, *shown.size)
    x = 4 if corner[1] == "l" else shown.width - 5
    y = 4 if corner[0] == "t" else shown.height - 5
    assert np.abs(np.array(shown.getpixel((x, y))) - RED).max() < 40


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, on the broken EXIF
def test_exif_behind_the_pixels_of_a_png_counts_and_broken_exif_does_not() -> None:
    rows = b"".join(b"\0" + bytes(4) for _ in range(2))
    late = png(4, 2, 8, 0, rows, (b"eXIf", orientation(6)[6:]))
    assert probe(late, LIMITS) == Header("PNG", 2, 4)
    assert decode(late, LIMITS).size == (2, 4)
    broken = encode(left_right(), "JPEG", exif=b"Exif\0\0nonsense, not a directory")
    assert decode(broken, LIMITS).size == (32, 16)


def test_icc_profiles_lead_to_srgb() -> None:
    for format_ in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = encode(square(RED), format_, icc_profile=swapped_profile())
        assert close(data, BLUE, within=8), format_
    transparent = encode(square((255, 0, 0, 128), "RGBA"), "PNG", icc_profile=swapped_profile())
    assert close(transparent, (127, 127, 255), within=2)
    inked = encode(square((0, 255, 0, 0), "CMYK"), "JPEG", quality=95, icc_profile=press_profile())
    bare = encode(square((0, 0, 0, 0), "CMYK"), "JPEG", quality=95, icc_profile=press_profile())
    assert close(inked, BLUE, within=12)
    assert close(bare, WHITE)
    same = photo(40, 30)
    assert np.array_equal(decode(encode(same, "PNG", icc_profile=srgb_profile()), LIMITS), same)


def test_a_broken_or_unfitting_profile_is_ignored() -> None:
    for profile in (b"not a profile", srgb_profile()[:200], b"\xff" * 4000):
        assert close(encode(square(RED), "JPEG", icc_profile=profile), RED)
    assert close(encode(square((0, 255, 255, 0), "CMYK"), "JPEG", icc_profile=srgb_profile()), RED)
    assert close(encode(square(90, "L"), "JPEG", icc_profile=srgb_profile()), (90, 90, 90), within=1)


def test_of_an_animation_the_first_frame_counts() -> None:
    for format_ in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        data = encode(square(RED), format_, save_all=True, append_images=[square(BLUE)])
        assert close(data, RED), format_
    assert close(encode(square(RED), "MPO", save_all=True, append_images=[square(BLUE)]), RED)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_extreme_shapes(format_: str, size: tuple[int, int]) -> None:
    image = decode(encode(square(RED, size=size), format_), LIMITS, at_least=(224, 224))
    assert image.size == size
    assert np.abs(np.array(image.getpixel((0, 0))) - RED).max() <= 4


@pytest.mark.parametrize("value", [1, 6])
@pytest.mark.parametrize(
    ("at_least", "size"),
    [
        ((448, 448), (500, 750)),
        ((501, 448), (1000, 1500)),
        ((250, 375), (250, 375)),
        ((224, 400), (500, 750)),
        ((64, 64), (125, 188)),
        ((2000, 2000), (1000, 1500)),
    ],
)
def test_a_jpeg_is_reduced_no_further_than_asked(value: int, at_least: tuple[int, int], size: tuple[int, int]) -> None:
    stored = photo(1000, 1500) if value == 1 else photo(1500, 1000)
    data = encode(stored, "JPEG", exif=orientation(value))
    assert probe(data, LIMITS) == Header("JPEG", 1000, 1500)
    assert decode(data, LIMITS, at_least=at_least).size == size


def test_a_reduced_jpeg_looks_like_the_full_one() -> None:
    data = encode(photo(1000, 1500), "JPEG", exif=orientation(6))
    full, reduced = (
        np.asarray(decode(data, LIMITS, at_least).resize((224, 224), Image.Resampling.BICUBIC), float).ravel()
        for at_least in (None, (224, 224))
    )
    assert full @ reduced / np.linalg.norm(full) / np.linalg.norm(reduced) > 0.999


def test_many_threads_agree_with_one(encoded: dict[str, bytes]) -> None:
    files = [*encoded.values(), encode(square(RED), "PNG", icc_profile=swapped_profile())] * 8
    alone = [decode(data, LIMITS).tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda data: decode(data, LIMITS).tobytes(), files)) == alone
