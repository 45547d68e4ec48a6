"""Damage beside the pixels costs no picture and is named; damage to the pixels is a reason."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from pictures import RED, chunk, encode, left_right, orientation, photo, png, square, srgb_profile, with_chunk
from PIL import Image

from featurize.errors import BadImage
from featurize.images.decode import Limits, decode, open_picture, probe

LIMITS = Limits()
ANCILLARY = {
    b"iCCP": b"sRGB\0\0" + zlib.compress(srgb_profile()),
    b"pHYs": struct.pack(">IIB", 2835, 2835, 1),
    b"tEXt": b"Title\0A poster",
    b"zTXt": b"Title\0\0" + zlib.compress(b"A poster"),
    b"iTXt": b"Title\0\0\0\0\0A poster",
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"tRNS": struct.pack(">3H", 1, 2, 3),
    b"acTL": struct.pack(">II", 1, 0),
    b"fcTL": struct.pack(">IIIIIHHBB", 0, 40, 30, 0, 0, 1, 10, 0, 0),
    b"eXIf": orientation(1)[6:],
    b"sBIT": bytes([8, 8, 8]),
}


def reason(data: bytes) -> str:
    with pytest.raises(BadImage) as caught:
        decode(data, LIMITS)
    return caught.value.reason


def same(data: bytes, picture: Image.Image) -> bool:
    return np.array_equal(decode(data, LIMITS), picture)


@pytest.mark.parametrize("kind", ANCILLARY)
def test_a_chunk_that_is_broken_in_any_way_costs_no_png(kind: bytes) -> None:
    picture = photo(40, 30)
    plain, body = encode(picture, "PNG"), ANCILLARY[kind]
    assert probe(plain, LIMITS).damage is None
    good = chunk(kind, body)
    assert probe(with_chunk(plain, good), LIMITS).damage is None
    wrong_sum = good[:-1] + bytes([good[-1] ^ 1])
    bytes_missing = good[:9] + good[12:]
    too_long = struct.pack(">I", 2**31 - 1) + good[4:]
    for damaged in (wrong_sum, bytes_missing, too_long):
        data = with_chunk(plain, damaged)
        assert same(data, picture)
        assert kind.decode() in (probe(data, LIMITS).damage or "")
    for length in range(0, len(body), 3):  # cut, but with a length and checksum that fit
        assert same(with_chunk(plain, chunk(kind, body[:length])), picture)


def test_text_and_profiles_above_the_limits_of_pillow_cost_no_png() -> None:
    picture = photo(40, 30)
    plain = encode(picture, "PNG")
    megabytes = zlib.compress(bytes(80 * 2**20))
    for kind, body in ((b"zTXt", b"Title\0\0" + megabytes), (b"iCCP", b"big\0\0" + megabytes), (b"tEXt", bytes(2**21))):
        assert same(with_chunk(plain, chunk(kind, body)), picture)
    many = b"".join(chunk(b"tEXt", b"Title\0" + bytes(2**16)) for _ in range(100))
    assert same(with_chunk(plain, many), picture)


def test_a_png_without_its_end_is_whole_and_one_without_pixels_is_not() -> None:
    picture = photo(40, 30)
    plain = encode(picture, "PNG")
    at = plain.index(b"IEND") - 4
    assert same(plain[:at], picture)
    assert probe(plain[:at], LIMITS).damage == "no end marker"
    assert reason(plain[: at - 300]) == "truncated"
    of_the_pixels = plain.index(b"IDAT") + 4 + int.from_bytes(plain[plain.index(b"IDAT") - 4 : plain.index(b"IDAT")])
    checksum = plain[:of_the_pixels] + b"\0\0\0\0" + plain[of_the_pixels + 4 :]
    assert same(checksum, picture)
    assert "IDAT" in (probe(checksum, LIMITS).damage or "")
    head = plain[:29] + bytes([plain[29] ^ 1]) + plain[30:]
    assert reason(head) == "decode_error"
    unknown = with_chunk(plain, chunk(b"CgBI", b"\0\0\0\0"))
    assert reason(unknown) == "unsupported"


def test_short_segments_cost_no_jpeg() -> None:
    picture = photo(64, 48)
    data = encode(picture, "JPEG", quality=90)
    pixels = decode(data, LIMITS)
    for name, segment in (
        ("JFIF", b"\xff\xe0\0\x07JFIF\0"),
        ("JFIF", b"\xff\xe0\0\x09JFIF\0\1\1"),
        ("Adobe", b"\xff\xee\0\x07Adobe"),
    ):
        changed = data[:2] + segment + data[20:]  # in the place of the JFIF segment
        assert same(changed, pixels)
        assert name in (probe(changed, LIMITS).damage or "")
    broken = encode(picture, "JPEG", quality=90, exif=b"Exif\0\0nonsense, not a directory")
    assert same(broken, pixels)
    assert probe(broken, LIMITS).damage == "EXIF cannot be read"
    lost = encode(picture, "JPEG", quality=90, icc_profile=bytes(100_000)).replace(
        b"ICC_PROFILE\0\1\2", b"another thing."
    )
    assert same(lost, pixels)
    assert probe(lost, LIMITS).damage == "parts of the ICC profile are missing"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_decoded_without_its_end_marker_but_not_without_its_last_pixels(mode: str, options: dict) -> None:
    data = encode(photo(80, 72).convert(mode), "JPEG", quality=85, **options)
    pixels = decode(data, LIMITS)
    assert data.endswith(b"\xff\xd9")
    for ending in (b"", b"\xff", bytes(1000)):
        assert same(data[:-2] + ending, pixels)
    assert probe(data[:-2], LIMITS).damage == "no end marker"
    assert np.array_equal(decode(data[:-2], LIMITS, (8, 8)), decode(data, LIMITS, (8, 8)))
    for missing in (10, 40, len(data) // 8, len(data) // 4, len(data) // 3):
        for ending in (b"", bytes(5000)):  # downloads that broke off are filled up by some tools
            assert reason(data[:-missing] + ending) == "truncated", missing


def test_a_progressive_jpeg_whose_last_scans_are_missing_is_truncated() -> None:
    data = encode(photo(80, 72), "JPEG", progressive=True)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 3
    assert {reason(data[:at]) for at in scans[1:]} == {"truncated"}


def test_a_webp_is_decoded_whatever_stands_beside_its_pixels() -> None:
    picture = photo(40, 30)
    data = encode(picture, "WEBP", lossless=True, exif=orientation(1), icc_profile=srgb_profile())
    at = data.index(b"EXIF", 40)
    for changed in (data[: at + 20], data[: data.index(b"ICCP") + 8] + bytes(40) + data[data.index(b"ICCP") + 48 :]):
        assert same(changed, picture)
    assert probe(data[: at + 20], LIMITS).damage == "shorter than it says"
    two = encode(picture, "WEBP", lossless=True, save_all=True, append_images=[picture.rotate(180)])
    assert same(two[:-200], picture)
    assert reason(two[: len(two) // 3]) == "truncated"


def test_a_gif_without_its_end_is_decoded() -> None:
    data = encode(left_right(), "GIF")
    assert same(data[:-1], left_right())


def test_a_transparent_colour_is_matched_at_the_depth_of_the_file() -> None:
    for depth, rows in ((1, b"\0\x40"), (2, b"\0\x1b"), (4, b"\0\x01\x23"), (8, b"\0\0\1\2\3")):
        levels = [0, 1, 2, 3] if depth > 1 else [0, 1, 0, 0]
        data = png(4, 1, depth, 0, rows, before=((b"tRNS", struct.pack(">H", 1)),))
        expected = [255 if v == 1 else v * 255 // (2**depth - 1) for v in levels]
        assert np.asarray(decode(data, LIMITS))[0, :, 0].tolist() == expected, depth
    deep = np.array([[257, 256, 0], [257, 257, 0]], ">u2")  # alike in their high bytes
    data = png(2, 1, 16, 2, b"\0" + deep.tobytes(), before=((b"tRNS", deep[1].tobytes()),))
    assert np.asarray(decode(data, LIMITS))[0].tolist() == [[1, 1, 0], [255, 255, 255]]
    grey = np.array([300, 301], ">u2")
    data = png(2, 1, 16, 0, b"\0" + grey.tobytes(), before=((b"tRNS", grey[1:].tobytes()),))
    assert np.asarray(decode(data, LIMITS))[0, :, 0].tolist() == [1, 255]
    assert same(with_chunk(encode(square(RED), "PNG"), chunk(b"tRNS", struct.pack(">3H", 0, 0, 255))), square(RED))


@pytest.mark.parametrize("depth", [8, 16])
def test_pixels_of_a_png_that_are_not_those_that_were_packed_are_never_given(depth: int) -> None:
    rows = b"".join(bytes(1) + bytes((3 * y + x) % 251 for x in range(20 * 3 * depth // 8)) for y in range(40))
    data = png(20, 40, depth, 2, rows)
    truth, given = np.asarray(decode(data, LIMITS)), 0
    for at in range(33, len(data) - 12):
        for damaged in (data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :], data[:at] + b"x" + data[at:]):
            with suppress(BadImage):
                pixels = decode(damaged, LIMITS)
                given += 1
                assert np.array_equal(pixels, truth)
                assert probe(damaged, LIMITS).damage
    assert given


@pytest.mark.parametrize("format_", ["AVIF", "PNG", "WEBP"])
def test_what_is_laid_on_white_counts_twice_against_the_pixels_in_flight(format_: str) -> None:
    picture = photo(40, 30).convert("RGBA")
    picture.putalpha(128)
    assert open_picture(encode(picture, format_), LIMITS).weight == 2 * 40 * 30
