"""PNG, JPEG and WebP files taken apart: the stream that holds the pixels, and what the rest says of them.

A decoder gets the critical parts alone, written anew. So ancillary data that is cut, too large or plain wrong can cost
no picture: what matters for the pixels is read here where it is whole, and the rest is named as damage.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field

from featurize.errors import BadImage
from featurize.images import colour
from featurize.images.formats import png_chunks

_PNG_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_PNG_NEXT = re.compile(rb"(?:IDAT|PLTE|tRNS|IEND)")
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn
_KEPT = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF}
_PIECE = 2**20  # bytes of pixels unpacked at once to see whether they are right
_PADDING = 64  # bytes of made-up entropy-coded data; enough to show in the pixels if they are read


@dataclass
class Stream:
    """`data` is a file of the same format with what its pixels need. `damage` names what is wrong with the rest."""

    data: bytes
    profile: bytes | None = None
    exif: bytes | None = None
    transparent: tuple[int, ...] | None = None
    """PNG: the grey or RGB sample value that is transparent, at the file's own bit depth."""
    deep: bool = False
    """PNG: 16 bits a sample."""
    doubtful: bool = False
    """PNG: something in it is damaged, so `check_png_pixels` must be asked before its pixels are used."""
    progressive: bool = False
    whole: bool = True
    """JPEG, PNG: there is an end marker."""
    damage: list[str] = field(default_factory=list)


def png(data: bytes) -> Stream:
    """Errors: BadImage where the critical chunks cannot be told."""
    kept = [data[:8]]
    found: dict[bytes, bytes] = {}
    stream = Stream(b"")
    at, kind = 8, b""
    while at + 8 <= len(data) and kind != b"IEND":
        kind, start = data[at + 4 : at + 8], at + 8
        end = start + int.from_bytes(data[at : at + 4])
        good = end + 4 <= len(data) and zlib.crc32(data[at + 4 : end]) == int.from_bytes(data[end : end + 4])
        following = end + 4
        if not good:
            stream.doubtful = True
            stream.damage.append(f"{_name(kind)} cut or with a wrong checksum")
            if not _chunk_begins(data, following):  # its length is wrong, so look where the next one begins
                following = _next_png_chunk(data, start)
        body = data[start : min(end, following)]
        if kind in _PNG_CRITICAL:
            if not good and kind in (b"IHDR", b"PLTE"):
                reason = "truncated" if end + 4 > len(data) else "decode_error"
                raise BadImage(reason, f"PNG: {_name(kind)} is cut or has a wrong checksum")  # type: ignore[arg-type]
            kept.append(data[at:following] if good else _png_chunk(kind, body))
        elif good and not kind[0] & 32:
            raise BadImage("unsupported", f"PNG with the chunk {_name(kind)}, which changes what the pixels mean")
        if good:
            found.setdefault(kind, body)
        at = following
    head = found.get(b"IHDR", b"")
    if len(head) != 13:
        raise BadImage("truncated" if at >= len(data) else "decode_error", "PNG: there is no header")
    stream.whole = kind == b"IEND"
    if not stream.whole:
        stream.damage.append("no end marker")
        kept.append(b"\0\0\0\0IEND\xaeB`\x82")
    depth, colours = head[8], head[9]
    stream.deep = depth == 16
    if b"tRNS" in found:
        _png_transparency(found, colours, kept, stream)
    stream.profile = _png_profile(found, colours, stream)
    stream.exif = found.get(b"eXIf")
    stream.data = b"".join(kept)
    return stream


def check_png_pixels(stream: Stream, most: int) -> None:
    """Whether the packed pixels, of at most so many bytes, keep the checksum that they have of their own.

    Decoders do not always look at it. Of a file that ends early nothing is said. Errors: ValueError or zlib.error.
    """
    unpacking, seen = zlib.decompressobj(), 0
    for kind, start, end in png_chunks(stream.data):
        body = stream.data[start:end] if kind == b"IDAT" else b""
        while body and not unpacking.eof:
            seen += len(unpacking.decompress(body, _PIECE))
            body = unpacking.unconsumed_tail
            if seen > most:
                raise ValueError("more pixels than the header says")
    if stream.whole and not unpacking.eof:
        raise ValueError("fewer pixels than the header says")


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_transparency(found: dict[bytes, bytes], colours: int, kept: list[bytes], stream: Stream) -> None:
    """A palette's alpha goes where the decoder looks for it, before the pixels; a single colour is kept as numbers."""
    body = found[b"tRNS"]
    if colours == 3 and 0 < len(body) <= len(found.get(b"PLTE", b"")) // 3:
        at = next((i for i, chunk in enumerate(kept) if chunk[4:8] == b"IDAT"), len(kept) - 1)
        kept.insert(at, _png_chunk(b"tRNS", body))
    elif (colours, len(body)) in ((0, 2), (2, 6)):
        stream.transparent = struct.unpack(f">{len(body) // 2}H", body)
    else:
        stream.damage.append("tRNS does not fit the picture")


def _png_profile(found: dict[bytes, bytes], colours: int, stream: Stream) -> bytes | None:
    """The ICC profile; without one, what gAMA and cHRM say, as a profile. sRGB overrules the latter."""
    if b"iCCP" in found:
        name, _, packed = found[b"iCCP"].partition(b"\0")
        try:
            unpacking = zlib.decompressobj()
            profile = unpacking.decompress(packed[1:], colour.MAX_PROFILE_BYTES)
            if unpacking.eof and len(name) <= 79:
                return profile
        except zlib.error:
            pass
        stream.damage.append("iCCP is not a packed profile")
    if b"sRGB" in found or not found.keys() & {b"gAMA", b"cHRM"}:
        return None
    gamma, chromaticities = found.get(b"gAMA"), found.get(b"cHRM")
    try:
        return colour.profile_of(
            None if gamma is None else 100_000 / struct.unpack(">I", gamma)[0],
            None if chromaticities is None else [n / 100_000 for n in struct.unpack(">8I", chromaticities)],
            grey=colours in (0, 4),
        )
    except (struct.error, ZeroDivisionError, ValueError):
        stream.damage.append("gAMA or cHRM make no sense")
        return None


def _chunk_begins(data: bytes, at: int) -> bool:
    """Whether the head of a PNG chunk can stand there; the end of the file will do."""
    return at == len(data) or (at + 8 <= len(data) and data[at + 4 : at + 8].isalpha() and data[at] < 128)


def _next_png_chunk(data: bytes, at: int) -> int:
    """Where the next chunk that matters begins: one whose checksum is right. Else the end of the file."""
    for match in _PNG_NEXT.finditer(data, at + 4):
        begin = match.start() - 4
        end = begin + 8 + int.from_bytes(data[begin : begin + 4])
        if zlib.crc32(data[begin + 4 : end]) == int.from_bytes(data[end : end + 4]) and end + 4 <= len(data):
            return begin
    return len(data)


def _name(kind: bytes) -> str:
    return kind.decode("latin-1") if kind.isalpha() and kind.isascii() else "a chunk"


def jpeg(data: bytes) -> Stream:
    """Errors: BadImage where there is no scan, and for kinds of JPEG that are not decoded."""
    kept = [b"\xff\xd8"]
    stream = Stream(b"")
    profile: dict[int, bytes] = {}
    parts = 0
    at = 2
    while True:
        at = data.find(b"\xff", at)  # a decoder skips what stands between segments
        while at >= 0 and data[at + 1 : at + 2] == b"\xff":
            at += 1
        if at < 0 or at + 4 > len(data):
            raise BadImage("truncated", "JPEG: the file ends before its pixels")
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xD8) or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        if marker == 0xD9:
            raise BadImage("decode_error", "JPEG: there are no pixels before the end marker")
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xDA:
            break
        if end > len(data):
            raise BadImage("truncated", "JPEG: the file ends before its pixels")
        body = data[at + 4 : end]
        if marker in _KEPT:
            if marker in _FRAMES:
                _refuse_frame(marker, body)
                stream.progressive = marker in (0xC2, 0xCA)
            kept.append(data[at:end])
        elif marker == 0xE0 and body.startswith(b"JFIF"):
            _keep_whole(kept, data[at:end], 12, "JFIF", stream)
        elif marker == 0xEE and body.startswith(b"Adobe"):
            _keep_whole(kept, data[at:end], 10, "Adobe", stream)
        elif marker == 0xE1 and body.startswith(b"Exif\0"):
            stream.exif = stream.exif or body[6:]
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            profile[body[12]] = body[14:]
            parts = body[13]
        at = max(end, at + 4)
    if profile:
        if set(profile) == set(range(1, parts + 1)):
            stream.profile = b"".join(profile[number] for number in sorted(profile))
        else:
            stream.damage.append("parts of the ICC profile are missing")
    if data.rfind(b"\xff\xd9", at) < 0:
        stream.whole = False
        stream.damage.append("no end marker")
    stream.data = b"".join([*kept, data[at:]])
    return stream


def _refuse_frame(marker: int, body: bytes) -> None:
    if marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF):
        raise BadImage("unsupported", "JPEG: lossless and hierarchical pictures are not decoded")
    if body[:1] and body[0] != 8:
        raise BadImage("unsupported", f"JPEG: {body[0]} bits a sample are not decoded")


def _keep_whole(kept: list[bytes], segment: bytes, least: int, name: str, stream: Stream) -> None:
    if len(segment) >= 4 + least:
        kept.append(segment)
    else:
        stream.damage.append(f"the {name} segment is too short")


def jpeg_endings(data: bytes) -> tuple[bytes, bytes] | None:
    """Two endings for a JPEG without end marker: where the pixels come out the same with both, all of them are there.

    One adds the end marker, the other made-up entropy-coded data before it. None where whole scans are missing.
    """
    body = data.rstrip(b"\0")  # what a download that broke off was filled up with
    if body.endswith(b"\xff"):  # a byte of the pixels has a zero behind it; half a marker has none
        body = body + b"\0" if len(body) < len(data) else body[:-1]
    if not _all_scans(body):
        return None
    return body + b"\xff\xd9", body + b"\x5a" * _PADDING + b"\xff\xd9"


def _all_scans(data: bytes) -> bool:
    """Whether every coefficient of every component is sent to its last bit by some scan that has begun."""
    components: set[int] = set()
    left: dict[int, set[int]] = {}
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        body = data[at + 4 : at + 2 + int.from_bytes(data[at + 2 : at + 4])]
        if marker in _FRAMES and len(body) >= 6:
            components = {body[i] for i in range(6, len(body), 3)}
            left = {name: set(range(64)) for name in components}
        elif marker == 0xDA and body and len(body) >= 4 + 2 * body[0]:
            first, last, bits = body[-3], body[-2], body[-1]
            for i in range(body[0]):
                if bits & 15 == 0:
                    left.get(body[1 + 2 * i], set()).difference_update(range(first, min(last, 63) + 1))
        standing_alone = marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9
        at += (1 if marker == 0xFF else 2) if standing_alone else 4 + len(body)
    return bool(components) and not any(left.values())


def webp(data: bytes) -> Stream:
    """The first frame of an animation is kept alone. Errors: none; what is missing the decoder finds out."""
    stream = Stream(data)
    promised = 8 + int.from_bytes(data[4:8], "little")
    if promised > len(data):
        stream.damage.append("shorter than it says")
    kept: list[bytes] = []
    kinds: set[bytes] = set()
    at = 12
    while at + 8 <= len(data):
        kind, start = data[at : at + 4], at + 8
        end = start + int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[start:end]
        if kind == b"VP8X" and len(body) >= 10:
            kept.append(data[at:start] + bytes([body[0] & 0x12]) + body[1:])  # what stays: alpha, animation
        elif kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF") and not (kind == b"ANMF" and kind in kinds):
            kept.append(data[at:end] + b"\0" * (len(body) & 1))
        elif kind == b"ICCP" and end <= len(data):
            stream.profile = body
        elif kind == b"EXIF" and end <= len(data):
            stream.exif = body.removeprefix(b"Exif\0\0")
        kinds.add(kind)
        at = end + (end - start & 1)
    if kinds & {b"VP8 ", b"VP8L", b"ANMF"}:
        rest = b"".join(kept)
        stream.data = b"RIFF" + struct.pack("<I", 4 + len(rest)) + b"WEBP" + rest
    return stream
