"""Frames and sound out of files as they come: every container, damage, lies, and files that would never end."""

import random
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from clips import WORDS, cut, ffmpeg, film, needs_ffmpeg, noise

from featurize.errors import BadImage, RefusedInput
from featurize.media import decode, formats
from featurize.media.decode import HERTZ, Decoder, Frames, Limits

pytestmark = needs_ffmpeg
DECODER = Decoder()
popen = subprocess.Popen
COLOURS = ("red", "lime", "blue", "white")


def seen(frames: Frames) -> list[str]:
    """The colour of each frame, as the fake model says it."""
    means = [np.asarray(picture).reshape(-1, 3).mean(0).astype(int) // 64 for picture in frames.pictures]
    return ["".join(map(str, mean)) for mean in means]


def why_not(path: Path, decoder: Decoder = DECODER, sound: bool = False) -> str:
    with pytest.raises(BadImage) as told:
        decoder.sound(path) if sound else decoder.frames(path, 4, 10_000)
    assert "0x" not in told.value.detail
    assert str(path.parent) not in told.value.detail
    return told.value.reason


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("whole") / "film.mp4", COLOURS, options=("-g", "25"))


def test_frames_are_those_at_the_midpoints_of_equal_times_and_sound_is_16_khz_mono(whole):
    frames = DECODER.frames(whole, 4, 1000)
    assert seen(frames) == [WORDS[name] for name in COLOURS]
    assert frames.times == (0.5, 1.5, 2.5, 3.5)
    assert (frames.seconds, frames.size) == (pytest.approx(4, abs=0.1), (64, 48))
    assert all(picture.width * picture.height <= 1000 for picture in frames.pictures)
    sound = DECODER.sound(whole)
    assert len(sound.samples) / HERTZ == pytest.approx(4, abs=0.1)
    assert np.abs(np.fft.rfft(sound.samples[:HERTZ])).argmax() == 440


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.mov", "a.webm", "live.mkv", "unlike.webm"])
def test_every_container_gives_the_same_whatever_its_name(whole, tmp_path, name):
    path = tmp_path / name
    coded = ["-c:v", "libvpx", "-c:a", "libopus"] if name == "a.webm" else ["-c", "copy"]
    if name == "live.mkv":  # as it is streamed: neither its length nor an index is known
        ffmpeg("-i", whole, *coded, "-f", "matroska", "-live", "1", path)
    elif name.startswith("a."):
        ffmpeg("-i", whole, *coded, path)
    else:
        shutil.copy(whole, path)
    frames = DECODER.frames(path, 4, 10_000)
    assert seen(frames) == [WORDS[name] for name in COLOURS]
    assert frames.times == pytest.approx((0.5, 1.5, 2.5, 3.5), abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["film.mp4", "live.mkv"])
def test_frames_that_are_sought_are_the_same(whole, tmp_path, name, monkeypatch):
    """As of long clips, where that takes less than decoding all of it; also where there is no index to seek by."""
    ffmpeg("-i", whole, "-c", "copy", *(("-live", "1") if name == "live.mkv" else ()), tmp_path / name)
    at_once = DECODER.frames(tmp_path / name, 7, 10_000)
    monkeypatch.setattr(decode, "START_PIXELS", 0)
    starts = []
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **how: starts.append(given) or popen(*given, **how))
    sought = DECODER.frames(tmp_path / name, 7, 10_000)
    assert len(starts) == 2 + 7
    for one, other in zip(at_once.pictures, sought.pictures, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.slow
def test_a_frame_is_the_one_on_the_screen_where_the_rate_varies(tmp_path, whole):
    """One picture for three seconds, then many; and one picture for all the time that music plays."""
    ffmpeg(
        "-i", whole, "-vf", "select='not(between(t,0.1,2.9))'", "-vsync", "vfr", "-c:a", "copy", tmp_path / "vfr.mp4"
    )
    assert seen(DECODER.frames(tmp_path / "vfr.mp4", 4, 10_000)) == [WORDS["red"]] * 3 + [WORDS["white"]]
    ffmpeg("-i", whole, "-frames:v", "1", tmp_path / "one.png")
    still = ["-loop", "1", "-framerate", "1/30", "-i", tmp_path / "one.png", "-f", "lavfi", "-i", "sine=440"]
    ffmpeg(*still, "-t", "60", "-c:v", "libx264", "-pix_fmt", "yuv420p", tmp_path / "song.mp4")
    song = DECODER.frames(tmp_path / "song.mp4", 6, 10_000)
    assert seen(song) == [WORDS["red"]] * 6
    assert song.seconds == pytest.approx(60, abs=1)


@pytest.mark.slow
def test_clips_come_upright_and_with_square_pixels(tmp_path):
    halves = ["-f", "lavfi", "-i", "color=red:s=64x48:d=1", "-f", "lavfi", "-i", "color=blue:s=64x48:d=1"]
    joined = ["-filter_complex", "hstack", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    ffmpeg(*halves, *joined, tmp_path / "flat.mp4")
    ffmpeg("-i", tmp_path / "flat.mp4", "-c", "copy", "-metadata:s:v", "rotate=90", tmp_path / "phone.mp4")
    phone = DECODER.frames(tmp_path / "phone.mp4", 2, 10_000)
    assert (phone.size, phone.pictures[0].size) == ((48, 128), (48, 128))
    assert sorted(np.asarray(phone.pictures[0])[[10, 118], 24].argmax(1).tolist()) == [0, 2]
    ffmpeg("-i", tmp_path / "flat.mp4", "-vf", "setsar=2", "-c:v", "libx264", tmp_path / "wide.mp4")
    assert DECODER.frames(tmp_path / "wide.mp4", 2, 100_000).pictures[0].size == (256, 48)


def test_what_a_file_lacks_is_a_status_or_a_reason(whole, tmp_path):
    ffmpeg("-i", whole, "-an", "-c", "copy", tmp_path / "mute.mp4")
    assert DECODER.sound(tmp_path / "mute.mp4").samples is None
    noise(tmp_path / "sound.m4a")
    assert why_not(tmp_path / "sound.m4a") == "no_video_stream"


@pytest.mark.slow
def test_a_cover_is_no_video_and_late_sound_keeps_its_place(whole, tmp_path):
    ffmpeg("-i", whole, "-frames:v", "1", tmp_path / "cover.png")
    noise(tmp_path / "song.m4a")
    song = ["-i", tmp_path / "song.m4a", "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c", "copy"]
    ffmpeg(*song, "-disposition:v:0", "attached_pic", tmp_path / "covered.m4a")
    assert why_not(tmp_path / "covered.m4a") == "no_video_stream"
    ffmpeg(
        "-i", whole, "-itsoffset", "2", "-i", tmp_path / "song.m4a", "-map", "0:v", "-map", "1:a", tmp_path / "l.mp4"
    )
    samples = DECODER.sound(tmp_path / "l.mp4").samples
    assert np.abs(samples[: int(1.9 * HERTZ)]).max() < 50
    assert np.abs(samples[int(2.2 * HERTZ) :]).max() > 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["late index.mp4", "early index.mp4", "a.mkv", "a.webm", "a.wav", "a.flac"])
def test_a_clip_that_is_cut_off_is_truncated(whole, tmp_path, name):
    path = tmp_path / name
    match path.suffix:
        case ".mp4":
            ffmpeg("-i", whole, "-c", "copy", *(("-movflags", "+faststart") if "early" in name else ()), path)
        case ".mkv":
            ffmpeg("-i", whole, "-c", "copy", path)
        case ".webm":
            ffmpeg("-i", whole, "-c:v", "libvpx", path)
        case _:
            noise(path, "anoisesrc", 8)
    sound = path.suffix in (".wav", ".flac")
    assert why_not(cut(path, tmp_path / f"cut{path.suffix}"), sound=sound) == "truncated"
    assert why_not(cut(path, tmp_path / f"head{path.suffix}", 0.02), sound=sound) in ("truncated", "decode_error")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.mp3", "a.ogg"])
def test_what_does_not_say_its_length_is_simply_shorter(tmp_path, name):
    path = noise(tmp_path / name, "anoisesrc", 8)
    sound = DECODER.sound(cut(path, tmp_path / f"cut{path.suffix}"))
    assert 3 < len(sound.samples) / HERTZ < 5
    assert sound.seconds == pytest.approx(len(sound.samples) / HERTZ, abs=0.3)


def test_other_things_under_the_name_of_a_clip_are_refused(tmp_path):
    for name, data, reason in (
        ("empty.mp4", b"", "empty"),
        ("words.mp4", b"these are words", "not_a_clip"),
        ("picture.mp4", b"\x89PNG\r\n\x1a\n" + bytes(99), "not_a_clip"),
        ("playlist.mp4", b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n", "not_a_clip"),
        ("list.mkv", b"ffconcat version 1.0\nfile /etc/hostname\n", "not_a_clip"),
    ):
        (tmp_path / name).write_bytes(data)
        assert why_not(tmp_path / name) == reason, name


@pytest.mark.slow
def test_limits_of_length_and_size_come_before_any_decoding(tmp_path, whole):
    """Ten hours: once as the container says, once where only its packets tell."""
    ten_hours = ["-f", "lavfi", "-i", "color=red:s=16x16:r=1/60:d=36000", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    ffmpeg(*ten_hours, tmp_path / "long.mp4")
    ffmpeg("-i", tmp_path / "long.mp4", "-c", "copy", "-f", "matroska", "-live", "1", tmp_path / "live.mkv")
    begun = time.monotonic()
    assert [why_not(tmp_path / name) for name in ("long.mp4", "live.mkv")] == ["too_long", "too_long"]
    noise(tmp_path / "song.mp3", seconds=30)
    short = replace(DECODER, limits=Limits(max_seconds=20))
    assert why_not(tmp_path / "song.mp3", short, sound=True) == "too_long"
    assert time.monotonic() - begun < 30
    assert why_not(whole, replace(DECODER, limits=Limits(max_pixels=1000))) == "too_many_pixels"


def test_a_decoder_that_takes_too_long_is_killed(tmp_path, whole):
    """As by a command that never ends: nothing of it is left."""
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 1000\n")
    slow.chmod(0o755)
    decoder = replace(DECODER, ffmpeg=str(slow), limits=Limits(decode_seconds=2))
    begun = time.monotonic()
    with pytest.raises(BadImage, match=r"timeout: it was not decoded within clips\.decode_seconds = 2") as told:
        decoder.sound(whole)
    assert told.value.retryable
    assert time.monotonic() - begun < 10
    assert not [child for child in psutil.Process().children(recursive=True) if "1000" in child.cmdline()]


def test_a_command_that_is_not_there_is_one_sentence():
    with pytest.raises(RefusedInput, match=r"clips\.ffmpeg = 'no-such' is not found: install it \(apt install ffmpeg"):
        replace(DECODER, ffmpeg="no-such").refuse_missing()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.mp4", "a.mp3"])
def test_whatever_bytes_are_changed_it_ends_with_frames_or_a_reason(whole, tmp_path, name):
    path = tmp_path / name
    ffmpeg("-i", whole, *(["-c", "copy"] if path.suffix in (".mp4", ".mkv") else ["-vn"]), path)
    data, dice = path.read_bytes(), random.Random(0)
    for _ in range(3):
        changed = bytearray(data)
        for _ in range(dice.choice((1, 20, 400))):
            changed[dice.randrange(64, len(changed))] = dice.randrange(256)
        path.write_bytes(changed)
        for look in (lambda: DECODER.frames(path, 4, 10_000), lambda: DECODER.sound(path)):
            with suppress(BadImage):
                look()


@pytest.mark.slow
def test_formats_are_told_from_the_bytes(whole, tmp_path):
    made = {"a.mov": "MOV", "a.mkv": "MKV", "a.wav": "WAV", "a.flac": "FLAC", "a.mp3": "MP3", "a.m4a": "M4A"}
    for name in made:
        if name in ("a.mov", "a.mkv"):
            ffmpeg("-i", whole, "-c", "copy", tmp_path / name)
        else:
            ffmpeg("-i", whole, "-vn", *(("-id3v2_version", "0") if name == "a.mp3" else ()), tmp_path / name)
    told = {name: formats.sniff((tmp_path / name).read_bytes()[: formats.HEAD]) for name in made}
    assert told == made
    assert formats.sniff(whole.read_bytes()[: formats.HEAD]) == "MP4"
    assert formats.sniff(random.Random(1).randbytes(9999)) is None


@pytest.mark.slow
def test_subtitles_that_last_longer_than_the_clip_do_not_make_it_cut(whole, tmp_path):
    (tmp_path / "said.srt").write_text("1\n00:00:00,000 --> 00:01:00,000\nthe end\n")
    ffmpeg("-i", whole, "-i", tmp_path / "said.srt", "-c", "copy", "-c:s", "srt", tmp_path / "film.mkv")
    assert DECODER.frames(tmp_path / "film.mkv", 4, 10_000).seconds == pytest.approx(4, abs=0.1)


def test_more_than_can_come_out_of_a_clip_is_not_held(tmp_path, whole):
    endless = tmp_path / "endless"
    endless.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    endless.chmod(0o755)
    decoder = replace(DECODER, ffmpeg=str(endless), limits=Limits(max_seconds=5))
    assert why_not(whole, decoder, sound=True) == "decode_error"
