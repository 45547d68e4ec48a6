"""Every file that cannot be decoded has its reason, and nothing else comes out."""

from __future__ import annotations

import random
import struct
import warnings
import zlib

import pytest
from pictures import BLUE, EVERY_FORMAT, RED, encode, every_format, photo, png, square, tiff
from PIL import Image

from featurize.errors import BadImage
from featurize.images.decode import Limits, decode, probe

LIMITS = Limits()


@pytest.fixture(scope="module")
def encoded() -> dict[str, bytes]:
    return every_format()


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(BadImage) as caught:
        decode(data, limits)
    return caught.value.reason


def test_empty_and_not_an_image() -> None:
    assert reason(b"") == "empty"
    for data in (
        b"\0",
        b"hello",
        b"BMW is a car maker",
        b"RIFF....WAVE",
        b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
        bytes(99),
    ):
        assert reason(data) == "not_an_image"


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"\xef\xbb\xbf <svg/>",
        b"%PDF-1.7\n",
        encode(square(RED), "EPS"),
        b"\0\0\2\0\1\0",
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"FUJIFILMCCD-RAW 0201",
    ],
)
def test_formats_that_are_known_but_not_decoded(data: bytes) -> None:
    assert reason(data) == "unsupported"
    with pytest.raises(BadImage):
        probe(data, LIMITS)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, on what is left of a TIFF
@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_a_file_cut_short_is_truncated(encoded: dict[str, bytes], name: str) -> None:
    data = encoded[name]
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        if name.startswith(("animated", "apng")) and share > 0.3:
            continue  # the first frame is whole by then
        assert reason(data[: int(len(data) * share)]) == "truncated", share


def test_a_whole_file_of_nonsense_is_a_decode_error() -> None:
    picture = encode(photo(64, 64), "PNG")
    at = picture.index(b"IDAT") + 40
    assert reason(picture[:at] + bytes(20) + picture[at + 20 :]) == "decode_error"
    jpeg = encode(photo(64, 64), "JPEG")
    tables = jpeg.index(b"\xff\xc4")
    assert reason(jpeg[: tables + 4] + b"\xff" * 20 + jpeg[tables + 24 :]) == "decode_error"
    webp = encode(photo(64, 64), "WEBP", lossless=True)
    assert reason(webp[:40] + b"\xff" * (len(webp) - 40)) == "decode_error"


def test_limits_on_bytes_and_pixels() -> None:
    data = encode(square(RED, size=(100, 50)), "PNG")
    assert decode(data, Limits(max_bytes=len(data), max_pixels=5000)).size == (100, 50)
    assert reason(data, Limits(max_bytes=len(data) - 1)) == "too_many_bytes"
    assert reason(data, Limits(max_pixels=4999)) == "too_many_pixels"


def test_bombs_are_told_from_the_header() -> None:
    huge = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    assert reason(png(*struct.unpack(">II", huge), 1, 0, b"")) == "too_many_pixels"
    jpeg = bytearray(encode(square(RED), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65535, 65535)
    assert reason(bytes(jpeg)) == "too_many_pixels"
    frames = {"save_all": True, "append_images": [square(BLUE)], "disposal": 2}
    gif = bytearray(encode(square(RED), "GIF", **frames))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    assert reason(bytes(gif)) == "too_many_pixels"
    webp = bytearray(encode(square(RED), "WEBP", save_all=True, append_images=[square(BLUE)]))
    webp[24:30] = b"\xff" * 6
    assert reason(bytes(webp)) == "too_many_pixels"
    with pytest.raises(BadImage, match="too_many_pixels"):
        probe(bytes(webp), LIMITS)
    assert reason(tiff(60_000, 60_000, {273: -1, 279: 1}, b"\0")) == "too_many_pixels"
    # one pixel, but its only tile is a buffer of 3.6 GB
    tile = zlib.compress(bytes(10_000))
    tiled = tiff(1, 1, {259: 8, 322: 60_000, 323: 60_000, 324: -1, 325: len(tile)}, tile)
    assert reason(tiled) == "too_many_pixels"


def test_a_limit_above_that_of_pillow_holds_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for format_ in ("PNG", "WEBP", "GIF", "TIFF", "JPEG"):
            data = encode(square(RED, size=(64, 64)), format_)
            assert decode(data, Limits(max_pixels=4096)).size == (64, 64)
    assert Image.MAX_IMAGE_PIXELS == 4096


def test_mutated_files_give_pixels_or_a_reason(encoded: dict[str, bytes]) -> None:
    rng = random.Random(5)
    limits = Limits(max_pixels=1_000_000)
    for data in encoded.values():
        for turn in range(100):
            bad = bytearray(data)
            reach = len(bad) if turn % 2 else min(len(bad), 200)  # headers break in more ways than pixels
            for _ in range(rng.choice((1, 2, 8))):
                bad[rng.randrange(reach)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            if turn % 5 == 0:
                del bad[rng.randrange(len(bad)) :]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    image = decode(bytes(bad), limits)
                except BadImage:
                    continue
                header = probe(bytes(bad), limits)
            assert (image.mode, image.size) == ("RGB", (header.width, header.height))
