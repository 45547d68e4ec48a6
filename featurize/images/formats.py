"""What the bytes of a picture file say of its format, and whether they reach the end they promise.

Only structure is read, by the formats' own magic numbers and lengths: no pixel is decoded and no Pillow is needed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"8BPS": "PSD",
    b"\0\0\1\0": "ICO",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"qoif": "QOI",
    # Recognised, not decoded.
    b"%PDF-": "PDF",
    b"%!PS": "EPS",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"\0\0\2\0": "CUR",
    b"icns": "ICNS",
    b"DDS ": "DDS",
    b"II\xbc\1": "JPEG XR",
    b"IIRO": "RAW",
    b"IIRS": "RAW",
    b"MMOR": "RAW",
    b"IIU\0": "RAW",
    b"FUJIFILMCCD-RAW": "RAW",
    b"FOVb": "RAW",
    b"v/1\1": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"AT&TFORM": "DjVu",
    b"gimp xcf": "XCF",
    b"SIMPLE  =": "FITS",
    b"\x8aMNG\r\n\x1a\n": "MNG",
    b"BPG\xfb": "BPG",
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8}  # by field type
_TIFF_CODES = {3: "H", 4: "I", 16: "Q"}
_TIFF_SPANS = (273, 279, 324, 325)  # strip offsets, strip byte counts, tile offsets, tile byte counts
_QOI_END = bytes(7) + b"\1"
_PNM_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM_HEADS = (
    re.compile(rb"P([14])" + (_PNM_GAP + rb"(\d+)") * 2 + rb"\s"),
    re.compile(rb"P([2356])" + (_PNM_GAP + rb"(\d+)") * 3 + rb"\s"),
)
_P_FORMATS = {**dict.fromkeys((b"1", b"2", b"3", b"4", b"5", b"6"), "PNM"), b"7": "PAM", b"f": "PFM", b"F": "PFM"}
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)


def sniff(data: bytes) -> str | None:
    """Name of the format by its first bytes (Pillow's where it is decoded), None for no picture."""
    for magic, format_ in _MAGIC.items():
        if data.startswith(magic):
            return format_
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if data[:1] == b"P" and data[2:3].isspace():
        return _P_FORMATS.get(data[1:2])
    if data[4:8] == b"ftyp":  # one container for AVIF, HEIF and films
        end = min(int.from_bytes(data[:4]), 256)
        brands = {data[8:12]} | {data[at : at + 4] for at in range(16, end, 4)}
        if b"crx " in brands:
            return "RAW"
        return "AVIF" if brands & {b"avif", b"avis"} else "HEIF" if brands & _HEIF_BRANDS else None
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!DOCTYPE svg", b"<!--")) and b"<svg" in head):
        return "SVG"
    return None


def is_whole(format_: str, data: bytes) -> bool:
    """Whether the file reaches the end that its own structure names. Asked only once decoding has failed."""
    match format_:
        case "JPEG":
            at = 2
            while data[at : at + 1] == b"\xff" and data[at : at + 2] != b"\xff\xda":
                at += 2 + int.from_bytes(data[at + 2 : at + 4])
            return data.find(b"\xff\xd9", at) >= 0  # from the scan on: a thumbnail in EXIF has an end of its own
        case "PNG":
            return any(kind == b"IEND" and end + 4 <= len(data) for kind, _, end in png_chunks(data))
        case "GIF":
            return data.rstrip(b"\0").endswith(b";")
        case "WEBP":
            return 8 + int.from_bytes(data[4:8], "little") <= len(data)
        case "BMP":
            return int.from_bytes(data[2:6], "little") <= len(data)
        case "TIFF":
            return _tiff_is_whole(data)
        case "JPEG2000" if data.startswith(b"\xff\x4f"):
            return data.endswith(b"\xff\xd9")
        case "JPEG XL" if data.startswith(b"\xff\x0a"):
            return False  # a bare codestream does not say how long it is
        case "QOI":
            return data.endswith(_QOI_END)
        case "ICO":
            return True  # what an icon file promises is checked when it is opened
        case "PNM":
            return _pnm_is_whole(data)
        case "PSD":
            return _psd_is_whole(data)
        case _:
            return _boxes_are_whole(data)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of the body of each chunk whose head lies within the file, up to IEND."""
    at, kind = 8, b""
    while at + 8 <= len(data) and kind != b"IEND":
        kind, start = data[at + 4 : at + 8], at + 8
        end = start + int.from_bytes(data[at : at + 4])
        yield kind, start, end
        at = end + 4  # behind the checksum


def pnm_head(data: bytes) -> re.Match[bytes] | None:
    """The head of a portable map: groups of the kind, width, height and, but for bitmaps, the largest sample."""
    return next(filter(None, (pattern.match(data) for pattern in _PNM_HEADS)), None)


def _pnm_is_whole(data: bytes) -> bool:
    """Whether there are as many samples as the header asks for."""
    head = pnm_head(data)
    if head is None:
        return False
    kind, width, height, *most = map(int, head.groups())
    samples = width * height * (3 if kind in (3, 6) else 1)
    match kind:
        case 1:
            return data.count(b"0", head.end()) + data.count(b"1", head.end()) >= samples
        case 2 | 3:
            return len(data[head.end() :].split()) >= samples
        case 4:
            return len(data) - head.end() >= height * -(-width // 8)
    return len(data) - head.end() >= samples * (2 if most[0] > 255 else 1)


def _psd_is_whole(data: bytes) -> bool:
    try:
        channels, height, width, depth = struct.unpack_from(">HIIH", data, 12)
        at = 26
        for _ in range(3):  # colours, resources, layers
            at += 4 + int(struct.unpack_from(">I", data, at)[0])
        (packing,) = struct.unpack_from(">H", data, at)
        if packing != 1:
            return bool(at + 2 + channels * height * -(-width * depth // 8) <= len(data))
        lengths = struct.unpack_from(f">{channels * height}H", data, at + 2)
        return bool(at + 2 + 2 * len(lengths) + sum(lengths) <= len(data))
    except (struct.error, MemoryError, OverflowError):
        return False


def _boxes_are_whole(data: bytes) -> bool:
    """AVIF, HEIF, JPEG XL and JP2: boxes in a row, that with the pixels among them, the last ending with the file."""
    at, kinds = 0, set()
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])  # 1: a 64-bit size follows; 0: up to the end of the file
        kinds.add(data[at + 4 : at + 8])
        if size == 0:
            size = len(data) - at
        elif size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        at += max(8, size)
    return at == len(data) and not kinds.isdisjoint({b"mdat", b"jp2c", b"jxlc", b"jxlp"})


def _tiff_is_whole(data: bytes) -> bool:
    """The first directory of a TIFF or BigTIFF, its values, and the strips or tiles it lists lie within the file."""
    order = "<" if data[:1] == b"I" else ">"
    word, entries_code, wide = ("Q", "Q", 8) if b"+" in data[2:4] else ("I", "H", 4)

    def read(code: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(order + code, data, at)

    tables: dict[int, tuple[int, ...]] = {}
    try:
        (first,) = read(word, wide)
        (entries,) = read(entries_code, first)
        start, step = first + struct.calcsize(order + entries_code), 4 + 2 * wide
        for at in range(start, start + entries * step, step):
            tag, kind, count = read(f"HH{word}", at)
            size = count * _TIFF_BYTES.get(kind, 0)
            where = at + 4 + wide if size <= wide else read(word, at + 4 + wide)[0]
            if where + size > len(data):
                return False
            if tag in _TIFF_SPANS and kind in _TIFF_CODES:
                tables[tag] = read(f"{count}{_TIFF_CODES[kind]}", where)
    except (struct.error, OverflowError):
        return False
    return all(
        offset + length <= len(data)
        for offsets, lengths in (_TIFF_SPANS[:2], _TIFF_SPANS[2:])
        for offset, length in zip(tables.get(offsets, ()), tables.get(lengths, ()), strict=False)
    )
