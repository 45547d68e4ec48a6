"""What the first bytes of a file say of its container, which sound alone it can hold, and whether it is cut off.

The container is told from the bytes. A name counts only where the bytes say nothing at all, so that a video that is no
video is refused as one; and before they are read, to know how large the file may be.
"""

from __future__ import annotations

import re
from pathlib import Path

HEAD = 1 << 16
"""First bytes of a file that `sniff` is given; a tag before an MP3's sound may be longer, and begins with ID3."""
ENDINGS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".wav", ".flac", ".mp3", ".m4a", ".ogg", ".oga", ".ogv", ".opus")
DEMUXERS = {
    "MP4": "mov",
    "MOV": "mov",
    "M4A": "mov",
    "WEBM": "matroska",
    "MKV": "matroska",
    "WAV": "wav",
    "FLAC": "flac",
    "MP3": "mp3",
    "OGG": "ogg",
}
"""Format -> the only demuxer of ffmpeg that may open it: others read lists of further files and addresses."""
SOUND = ("WAV", "FLAC", "MP3", "M4A")
"""Formats without a picture but a cover."""
UNKNOWN_FROM = 0x7FFFFF00
"""Sizes from here on stand in a WAV whose writer did not know it yet."""
SAYS_NO_LENGTH = ("MP3",)
"""What is said of their length is a guess from the first frames."""
_AUDIO_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
_OLD_MOVIE = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_MPEG_KBIT = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MPEG_HZ = (44100, 48000, 32000)


def named(uri: str) -> bool:
    """Whether a name ends as those of clips do."""
    return uri.lower().endswith(ENDINGS)


def sniff(head: bytes) -> str | None:
    """Name of the container by the first `HEAD` bytes of a file that is no picture; None for none we know."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "M4A" if brand in _AUDIO_BRANDS else "MOV" if brand == b"qt  " else "MP4"
    if head[4:8] in _OLD_MOVIE and int.from_bytes(head[:4]) in (1, *range(8, 1 << 31)):
        return "MOV"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "WEBM" if re.match(rb"\x42\x82.webm", head[head.find(b"\x42\x82") :], re.DOTALL) else "MKV"
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"fLaC":
        return "FLAC"
    if head[:4] == b"OggS":
        return "OGG"
    if head[:3] == b"ID3":
        return "MP3"
    length = _mpeg_frame(head)
    return "MP3" if length and _mpeg_frame(head[length:]) else None


def _mpeg_frame(data: bytes) -> int:
    """Bytes of the MPEG layer III frame that begins here, 0 for none. Source: ISO/IEC 11172-3, 2.4.1.3."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = data[1] >> 3 & 3, data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    half = version != 3  # MPEG 2 and 2.5
    hertz = _MPEG_HZ[rate] >> (2 if version == 0 else 1 if half else 0)
    return (72 if half else 144) * _MPEG_KBIT[half][bitrate] * 1000 // hertz + (data[2] >> 1 & 1)


def is_whole(format_: str, path: Path) -> bool:
    """Whether a file reaches the end that its own structure names. Asked only once ffmpeg could not open it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if DEMUXERS[format_] == "mov":
            at, index = 0, False
            while at < size:
                file.seek(at)
                box = file.read(16)
                length = int.from_bytes(box[:4])
                length = int.from_bytes(box[8:16]) if length == 1 else length or size - at
                index |= box[4:8] == b"moov"
                if length < 8:
                    return True  # not cut but broken
                at += length
            return at == size and index
        if format_ == "WAV":
            stated = int.from_bytes(file.read(8)[4:], "little")
            return 8 + stated <= size or stated >= UNKNOWN_FROM
    return True
