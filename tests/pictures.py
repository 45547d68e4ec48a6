"""Pictures that the tests of `featurize.images` make for themselves, some byte by byte."""

from __future__ import annotations

import base64
import io
import itertools
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def encode(image: Image.Image, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def square(color: Any, mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> Image.Image:
    return Image.new(mode, size, color)


def left_right(width: int = 32, height: int = 16) -> Image.Image:
    """Red on the left, blue on the right."""
    image = square(RED, size=(width, height))
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def photo(width: int, height: int) -> Image.Image:
    """Smooth colour with some grain, as a photograph has."""
    rng = np.random.default_rng(7)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 8, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    grain = rng.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


FRAMES = {"save_all": True, "append_images": [photo(48, 64).rotate(180)]}


def orientation(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


Chunk = tuple[bytes, bytes]


def png(
    width: int, height: int, depth: int, kind: int, rows: bytes, *behind: Chunk, before: tuple[Chunk, ...] = ()
) -> bytes:
    """A PNG written by hand, with chunks before and behind the pixels."""
    head = (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    body = [head, *before, (b"IDAT", zlib.compress(rows)), *behind, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in body)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data: bytes, packed: bytes) -> bytes:
    """A PNG with some bytes between its header and the rest."""
    return data[:33] + packed + data[33:]


def tiff(width: int, height: int, tags: dict[int, int], body: bytes) -> bytes:
    """A grey TIFF written by hand; the value -1 in `tags` stands for the offset of `body`."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, **tags}
    offset = 8 + 2 + 12 * len(tags) + 4
    entries = (struct.pack("<HHII", k, 4, 1, offset if v == -1 else v) for k, v in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries) + bytes(4) + body


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """sRGB with the colorants of red and blue exchanged: what it calls red is blue."""
    return srgb_profile().replace(b"rXYZ", b"tmp!", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmp!", b"bXYZ", 1)


def press_profile() -> bytes:
    """A CMYK profile by hand: paper is white, black is black, and magenta comes out blue; the rest does not show."""
    paper, blue, black = bytes([255, 128, 128]), bytes([75, 196, 16]), bytes([0, 128, 128])  # L*, a*, b* in 8 bits
    inks = itertools.product((0, 1), repeat=4)
    corners = b"".join(black if k else blue if magenta else paper for _, magenta, _, k in inks)
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + corners + ramp * 3
    head = struct.pack(">I4sI4s4s4s12s4s", 0, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ", bytes(12), b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)  # the light pages are viewed in, D50
    body = head.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table
    return struct.pack(">I", len(body)) + body[4:]


HEIC = zlib.decompress(
    base64.b85decode(
        "c-muNV30{GsVvAy%}izhg51nBLl8SRGck>Uf$>CcYDppk1Sn>t<P<^K3<a6VB@Af5Br_);Y>0~k0}}%yh{gB@LIXiNPz(r|is2$EKx~njnU@CU"
        "fn-I2oK&zfpqh-bWJ3ldK}L`g*NRNAa=wDhl3WI;N=Ej~f}#Q-`&ni|az2nQ1L}2VWCjUM04tLF!0_kqj~@&S{LBeJ9TE<VJdFSUgA_1>R4{{("
        "+%6`EM4+UW6C)#<%mRf*)@iSvEZez*Bf~%eD8vjR7!;F$%Gq2P4;CNj1X?1ToS##amz+}p6y;@LYXAy~WEK~sLcQw%#Tv;ui3LzLC@2)5G&m6c"
        "|Ns908W;ivnH8BJL1qpP4j{#uS(IM_bPt1MW<f42QWzN+*&3OcSzFqG9I4Er)HJ9BUvf%uGB_GQW^c|-Nd(1Lvj*dO&Ih)imHz+#WN-fe&xUiS"
        "e;+*(zW@L6=)?Q3OymFmM6@bV!$7<JWXjWeE9>>XZ`IF=bc-(ycX_H)uUeVlD|>#*9Glf!ChuJBJ}vEX)wxe$pO%EYI`YP{>h_ImGE>#l#Et|T"
        "MtQVwlv)X&uKv69HTMep<-C7?uIl>fSbXEe@3!_npflJY(dg^TpatY{FfcL-fkGM-nh@6m0EL#FCI"
    )
)
"""Red on the left and blue on the right, 64x32, to be shown turned by a quarter; no library in use here writes HEIC."""

EVERY_FORMAT = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True, "exif": orientation(6), "icc_profile": srgb_profile()}),
    "png": ("PNG", {"exif": orientation(8), "icc_profile": srgb_profile()}),
    "apng": ("PNG", FRAMES),
    "gif": ("GIF", {}),
    "animated gif": ("GIF", {**FRAMES, "disposal": 2}),
    "webp": ("WEBP", {"exif": orientation(5), "icc_profile": srgb_profile()}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "animated webp": ("WEBP", FRAMES),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "bigtiff": ("TIFF", {"big_tiff": True}),
    "lzw tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "jpeg tiff": ("TIFF", {"compression": "jpeg"}),
    "avif": ("AVIF", {"exif": orientation(3)}),
    "jp2": ("JPEG2000", {}),
    "j2k": ("JPEG2000", {"no_jp2": True}),
}


def every_format() -> dict[str, bytes]:
    """One picture in every format that is decoded."""
    picture = photo(48, 64)
    return {name: encode(picture, format_, **options) for name, (format_, options) in EVERY_FORMAT.items()}
