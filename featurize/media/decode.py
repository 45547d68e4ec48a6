"""Frames and sound of a clip, decoded by ffmpeg in a process that can be killed, or a named reason why not.

Invariant: whatever a file says of itself, decoding it ends within `Limits.decode_seconds`, opens no other file and no
address, and holds no more than the limits allow. Times are those of the packets, for the lengths and frame counts that
containers state may be wrong. Everything here may be called from many threads; ffmpeg's version is not in any key.
"""

from __future__ import annotations

import bisect
import json
import math
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from featurize.errors import BadImage, RefusedInput, sentence
from featurize.images import formats as pictures
from featurize.media import formats

VERSION = 1
"""Of what comes out; raised when the same clip gives other frames or samples."""
HERTZ = 16_000
START_PIXELS = 100_000_000
"""How many pixels ffmpeg decodes in the time that it takes to start."""
MOST_TOLD = 64 * 2**20
"""Bytes that ffprobe may say of a file: two million packets."""
CUT_SHARE = 0.05
CUT_SECONDS = 1.0
"""A clip that ends so much before the end it states is cut off: this share of it and at least so many seconds."""
_PPM = re.compile(rb"P6\s(\d+) (\d+)\s255\s")
_CONTEXT = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")
"""Of what ffmpeg says: where in its memory."""
GET_IT = "install it (apt install ffmpeg, brew install ffmpeg) or name it in clips.ffmpeg and clips.ffprobe"


@dataclass(frozen=True)
class Limits:
    """What is refused of a clip; `max_pixels` is of one frame."""

    max_bytes: int = 2 * 2**30
    max_seconds: float = 3600
    max_pixels: int = 8192 * 4320
    decode_seconds: float = 120


@dataclass(frozen=True)
class Frames:
    """Pictures of a clip, upright and with square pixels, RGB, all of one size, and the second each was shown at.

    `seconds` is the length of the clip, `size` its (width, height) in pixels before frames were reduced.
    """

    pictures: tuple[Image.Image, ...]
    times: tuple[float, ...]
    seconds: float
    size: tuple[int, int]


@dataclass(frozen=True)
class Sound:
    """Samples of a clip, int16 at `HERTZ`, mono; None where it has no sound. `seconds` is the length of the clip."""

    samples: npt.NDArray[np.int16] | None
    seconds: float


@dataclass(frozen=True)
class _Track:
    index: int
    size: tuple[int, int]
    times: tuple[float, ...]
    """Presentation times of its frames, ascending."""
    keys: tuple[int, ...]
    """Places in `times` where decoding can begin."""
    end: float


@dataclass(frozen=True)
class _Layout:
    """What a file holds, on its own time line: from when to when, its picture and its sound."""

    format: str
    start: float
    begin: float
    """The time that ffmpeg counts from when it seeks."""
    end: float
    picture: _Track | None
    sound: int | None

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def before(self, track: _Track) -> Callable[[int], float]:
        """A moment between a frame and the one before it, as ffmpeg counts time."""
        times = track.times
        return lambda at: ((times[at - 1] + times[at]) / 2 if at else times[0] - 1) - self.begin


@dataclass(frozen=True)
class Decoder:
    """The two commands and the limits. Picklable."""

    ffmpeg: str = "ffmpeg"
    ffprobe: str = "ffprobe"
    limits: Limits = Limits()

    def refuse_missing(self) -> None:
        """Errors: RefusedInput when a command is not there."""
        for setting, command in (("clips.ffmpeg", self.ffmpeg), ("clips.ffprobe", self.ffprobe)):
            if shutil.which(command) is None:
                raise RefusedInput(f"the catalogue has clips and {setting} = '{command}' is not found: {GET_IT}")

    def fingerprint(self, gives: str) -> dict[str, object]:
        """Of the decoder to `frames` or `audio`: under other limits, what it refused before is tried again."""
        kept = {name: value for name, value in vars(self.limits).items() if name != "decode_seconds"}
        return {"backend": "decode_clip", "gives": gives, "version": VERSION, **kept}

    def frames(self, path: Path, count: int, max_pixels: int) -> Frames:
        """`count` frames, each the one shown at the midpoint of one of so many equal parts of the time that the
        picture lasts, of at most `max_pixels`.

        Errors: BadImage no_video_stream, not_a_clip, empty, unsupported, truncated, too_long, too_many_pixels,
        decode_error or timeout.
        """
        clock = _Clock(self.limits.decode_seconds)
        layout = self._layout(path, clock)
        track = layout.picture
        if track is None:
            raise BadImage("no_video_stream", f"{layout.format} without a video stream")
        if not track.times:
            raise BadImage("decode_error", f"{layout.format}: its video stream has no frames")
        lasts = track.end - track.times[0]
        times = [lasts * (number + 0.5) / count for number in range(count)]
        shown = [bisect.bisect_right(track.times, track.times[0] + time + 1e-6) - 1 for time in times]
        wanted = sorted(set(shown))
        found = self._in_one_pass(path, layout, track, wanted, max_pixels, clock)
        found = found or {at: self._by_seeking(path, layout, track, at, max_pixels, clock) for at in wanted}
        size = found[shown[0]].size
        some = tuple(found[at] if found[at].size == size else found[at].resize(size) for at in shown)
        return Frames(some, tuple(round(time, 3) for time in times), round(layout.seconds, 3), track.size)

    def sound(self, path: Path) -> Sound:
        """All of the first sound stream. Errors: BadImage, those of `frames` but for no_video_stream."""
        clock = _Clock(self.limits.decode_seconds)
        layout = self._layout(path, clock)
        if layout.sound is None:
            return Sound(None, round(layout.seconds, 3))
        # Sound that begins after the picture, or has gaps, keeps its place in time.
        command = self._open(layout.format, path)
        command += ["-map", f"0:{layout.sound}", "-vn", "-sn", "-dn", "-af", "aresample=async=1:first_pts=0"]
        command += ["-t", f"{self.limits.max_seconds + 1:.3f}", "-ac", "1", "-ar", str(HERTZ), "-f", "s16le", "-"]
        made = self._run(command, math.ceil(self.limits.max_seconds + 2) * HERTZ * 2, clock)
        if not made.output:
            raise BadImage("decode_error", f"{layout.format}: no sound comes out of its sound stream{made.why}")
        samples = np.frombuffer(made.output[: len(made.output) & ~1], "<i2").astype(np.int16, copy=False)
        return Sound(samples, round(layout.seconds, 3))

    def _in_one_pass(
        self, path: Path, layout: _Layout, track: _Track, wanted: list[int], max_pixels: int, clock: _Clock
    ) -> dict[int, Image.Image] | None:
        """The pictures of these packets, where it takes less to decode all up to the last one than to seek each.

        None where it takes more, or where damage makes fewer pictures of them.
        """
        seeking = sum(at - track.keys[max(0, bisect.bisect_right(track.keys, at) - 1)] for at in wanted)
        weight = max(1, track.size[0] * track.size[1])
        if wanted[-1] * weight > seeking * weight + len(wanted) * START_PIXELS:
            return None
        due = [f"gte(t,{at:.6f})*not(gte(prev_selected_t,{at:.6f}))" for at in map(layout.before(track), wanted)]
        made = self._pictures(path, layout, track, [], [f"select='{'+'.join(due)}'"], len(wanted), max_pixels, clock)
        pictures = _ppm(made.output)
        return dict(zip(wanted, pictures, strict=True)) if len(pictures) == len(wanted) else None

    def _by_seeking(
        self, path: Path, layout: _Layout, track: _Track, at: int, max_pixels: int, clock: _Clock
    ) -> Image.Image:
        """The picture of one packet; the next one that can be decoded where this one is damaged."""
        seek = ["-ss", f"{layout.before(track)(at):.6f}"] if at else []
        made = self._pictures(path, layout, track, seek, [], 1, max_pixels, clock)
        found = _ppm(made.output)
        if not found:
            when = track.times[at] - track.times[0]
            raise BadImage("decode_error", f"{layout.format}: no picture can be decoded at {when:.1f} s{made.why}")
        return found[0]

    def _pictures(
        self,
        path: Path,
        layout: _Layout,
        track: _Track,
        seek: list[str],
        filters: list[str],
        count: int,
        max_pixels: int,
        clock: _Clock,
    ) -> _Made:
        # Pixels may be wider than high (sar); a turned clip is upright before it is scaled.
        share = f"min(1,sqrt({max_pixels}/(iw*sar*ih)))"
        scale = f"scale=w='max(1,trunc(iw*sar*{share}))':h='max(1,trunc(ih*{share}))':flags=bicubic"
        # With times of their own, none of them is left out or repeated to keep a rate.
        chain = ",".join([*filters, scale, "setsar=1", "setpts=N/25/TB"])
        command = self._open(layout.format, path, seek)
        command += ["-map", f"0:{track.index}", "-an", "-sn", "-dn", "-vf", chain, "-r", "25", "-frames:v", str(count)]
        command += ["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]
        return self._run(command, count * (3 * max_pixels + 99), clock)

    def _open(self, format_: str, path: Path, seek: list[str] | None = None) -> list[str]:
        return [
            *(self.ffmpeg, "-nostdin", "-v", "error", "-threads", "1", "-timelimit", str(math.ceil(2 * self._seconds))),
            *("-protocol_whitelist", "file,pipe", "-max_pixels", str(self.limits.max_pixels)),
            *("-f", formats.DEMUXERS[format_], *(seek or []), "-i", f"file:{path}"),
        ]

    @property
    def _seconds(self) -> float:
        return self.limits.decode_seconds

    def _layout(self, path: Path, clock: _Clock) -> _Layout:
        """What the file holds, without decoding it. Errors: BadImage."""
        with path.open("rb") as file:
            head = file.read(formats.HEAD)
        if not head:
            raise BadImage("empty", "the file has no bytes")
        format_ = None if pictures.sniff(head) else formats.sniff(head)
        if format_ is None:
            raise BadImage("not_a_clip", "the bytes start like no video or sound format we know")
        told = self._probe(format_, path, ["-show_format", "-show_streams", "-of", "json"], clock)
        said = json.loads(told.output or b"{}")
        if "format" not in said or (format_ == "WAV" and not formats.is_whole(format_, path)):
            if not formats.is_whole(format_, path):
                raise BadImage("truncated", f"{format_} that is cut off{told.why}")
            raise BadImage("decode_error", f"{format_} that cannot be opened{told.why}")
        streams = said.get("streams", [])
        stated = _number(said.get("format", {}).get("duration")) if format_ not in formats.SAYS_NO_LENGTH else None
        self._refuse_long(format_, stated or 0.0)
        picture = next((each for each in streams if each.get("codec_type") == "video" and not _is_cover(each)), None)
        sound = next((each for each in streams if each.get("codec_type") == "audio"), None)
        for stream in filter(None, (picture, sound)):
            if stream.get("codec_name") in (None, "unknown"):
                tag = stream.get("codec_tag_string", "?")
                raise BadImage("unsupported", f"{format_} with a codec that ffmpeg does not know ({tag})")
        size = (int(picture.get("width", 0)), int(picture.get("height", 0))) if picture else (0, 0)
        if size[0] * size[1] > self.limits.max_pixels:
            limit = f"the limit is {self.limits.max_pixels}"
            raise BadImage("too_many_pixels", f"{format_} with frames of {size[0]}x{size[1]} pixels; {limit}")
        everything = self._packets(format_, path, clock)
        start, end = _span(everything)
        if stated is not None and end - start < stated - max(CUT_SECONDS, CUT_SHARE * stated):
            raise BadImage("truncated", f"{format_} that ends after {end - start:.1f} of its {stated:.1f} s")
        wanted = {each["index"] for each in (picture, sound) if each}
        packets = [packet for packet in everything if packet.stream in wanted]  # without subtitles and the like
        start, end = _span(packets)
        self._refuse_long(format_, end - start)
        begin = _number(said["format"].get("start_time")) or 0.0
        if sound and not any(packet.stream == sound["index"] for packet in packets):
            sound = None  # a stream that was declared and left empty
        track = _track(picture["index"], _upright(picture, size), packets) if picture else None
        return _Layout(format_, start, begin, end, track, sound["index"] if sound else None)

    def _packets(self, format_: str, path: Path, clock: _Clock) -> list[_Packet]:
        """Of all streams, in the order of their times."""
        most = f"%+{self.limits.max_seconds + 60:.0f}"
        entries = "packet=stream_index,pts_time,duration_time,flags"
        listed = self._probe(
            format_, path, ["-read_intervals", most, "-show_entries", entries, "-of", "csv=p=0"], clock
        )
        found = []
        for line in listed.output.decode("ascii", "replace").splitlines():
            stream, at, lasts, flags, *_ = [*line.split(","), "", "", ""]
            when = _number(at)
            # D: an edit list leaves it out.
            if when is not None and stream.isdecimal() and "D" not in flags:
                found.append(_Packet(when, when + (_number(lasts) or 0.0), int(stream), "K" in flags))
        return sorted(found)

    def _refuse_long(self, format_: str, seconds: float) -> None:
        if seconds > self.limits.max_seconds:
            limit = f"clips.max_seconds = {self.limits.max_seconds:g}"
            raise BadImage("too_long", f"{format_} of {seconds:.0f} s, more than {limit}")

    def _probe(self, format_: str, path: Path, wanted: list[str], clock: _Clock) -> _Made:
        opened = [self.ffprobe, "-v", "error", "-protocol_whitelist", "file", "-f", formats.DEMUXERS[format_]]
        return self._run([*opened, *wanted, f"file:{path}"], MOST_TOLD, clock)

    def _run(self, command: list[str], most: int, clock: _Clock) -> _Made:
        """Errors: BadImage timeout, or decode_error for more than `most` bytes; RefusedInput where the command cannot
        be started."""
        with tempfile.TemporaryFile() as complaints:
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, bufsize=0
                )
            except OSError as error:
                raise RefusedInput(f"'{command[0]}' cannot be started ({error.strerror}): {GET_IT}") from error
            try:
                output = _all_of(process, most, clock)
                process.wait(clock.left())
            except (TimeoutError, subprocess.TimeoutExpired):
                limit = f"clips.decode_seconds = {self._seconds:g}"
                raise BadImage("timeout", f"it was not decoded within {limit}", retryable=True) from None
            finally:
                if process.poll() is None:
                    process.kill()
                    process.communicate()
            complaints.seek(0)
            said = _CONTEXT.sub("", complaints.read(600).decode("utf-8", "replace"))
            for file in (each for each in command if each.startswith("file:")):  # it is told elsewhere
                said = said.replace(f"{file}: ", "")
            why = sentence(said)
        return _Made(output if process.returncode == 0 or output else b"", f" ({why})" if why else "")


@dataclass(frozen=True)
class _Made:
    output: bytes
    why: str


class _Packet(NamedTuple):
    at: float
    end: float
    stream: int
    key: bool


def _all_of(process: subprocess.Popen[bytes], most: int, clock: _Clock) -> bytes:
    """What a process writes. Errors: TimeoutError; BadImage where it is more than `most` bytes."""
    assert process.stdout is not None
    found, ready = bytearray(), select.poll()
    ready.register(process.stdout, select.POLLIN)
    while ready.poll(1000 * clock.left()):
        piece = os.read(process.stdout.fileno(), 1 << 20)
        if not piece:
            return bytes(found)
        found += piece
        if len(found) > most:
            raise BadImage("decode_error", f"more than {most:,} bytes come out of it")
    raise TimeoutError


class _Clock:
    """The time of one clip, in all its processes."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        return max(0.1, self._until - time.monotonic())


def _span(packets: list[_Packet]) -> tuple[float, float]:
    """When the first one begins and the last one ends."""
    return min((each.at for each in packets), default=0.0), max((each.end for each in packets), default=0.0)


def _track(index: int, size: tuple[int, int], packets: list[_Packet]) -> _Track:
    mine = [packet for packet in packets if packet.stream == index]
    times = tuple(packet.at for packet in mine)
    end = max((packet.end for packet in mine), default=0.0)
    if len(times) > 1 and end <= times[-1]:  # the last one does not say how long it lasts
        end = times[-1] + (times[-1] - times[0]) / (len(times) - 1)
    return _Track(index, size, times, tuple(n for n, packet in enumerate(mine) if packet.key) or (0,), end)


def _ppm(data: bytes) -> list[Image.Image]:
    """Pictures that follow one another, as ffmpeg writes them."""
    found, at = [], 0
    while header := _PPM.match(data, at):
        size = int(header[1]), int(header[2])
        pixels = data[header.end() : header.end() + 3 * size[0] * size[1]]
        if len(pixels) < 3 * size[0] * size[1]:
            break
        found.append(Image.frombytes("RGB", size, pixels))
        at = header.end() + len(pixels)
    return found


def _number(text: Any) -> float | None:
    try:
        found = float(text)
    except (TypeError, ValueError):
        return None  # ffprobe says N/A
    return found if math.isfinite(found) else None


def _is_cover(stream: dict[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _upright(stream: dict[str, Any], size: tuple[int, int]) -> tuple[int, int]:
    turns = [_number(each.get("rotation")) or 0 for each in stream.get("side_data_list", [])]
    return (size[1], size[0]) if any(round(turn) % 180 == 90 for turn in turns) else size
