"""The clip world: a short clip of each title of `small`, and members who care for what is seen or heard in them.

    clip/<title_id>.mp4                      a camera that moves over a scene, an actor's line, the sound of the setting
    still/<title_id>.jpg                     the picture in the middle of each clip
    manifest.parquet, title.parquet          the catalogue, in the input contracts of `schemas/`
    history.parquet                          what all members played; history-<kind>.parquet those of one kind alone
    ears/                                    the sound of each clip with what is to be heard in it, for `ears`
    truth/clip.parquet                       what each clip shows, which line is spoken in it, and its sound
    truth/member.parquet                     of which kind each member is

Title and clip are told apart: the scene has a theme that is dealt out anew, and so is what the line is about. Neither
name, genres and synopsis nor cast say anything of them. In a clip of ten nobody speaks; a few of these are silent, or
have no sound at all. Who plays what is in `audience`.

Invariant: that of `world`. Scenes, lines and histories are the same everywhere; the files are those of the espeak-ng
and ffmpeg that made them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from featurize.demo import audience, ears
from featurize.demo.actors import Actor
from featurize.demo.lines import LINES, TOPICS
from featurize.demo.render import render
from featurize.demo.scenes import Scene, describe, sample_scene, with_cast
from featurize.demo.sounds import HERTZ, SOUND_OF, SOUNDS, Samples, ambience
from featurize.demo.titles import Title, titles
from featurize.demo.vocabulary import THEMES
from featurize.demo.world import (
    MANIFEST,
    SIZES,
    TITLE,
    is_whole,
    over_all_processors,
    table,
    title_table,
    write_table,
    write_whole,
)
from featurize.errors import RefusedInput, RunFailed, sentence

VERSION = 1
"""Raised whenever the same seed would give another world."""
_STREAM = 7
DRAWN = (720, 480)
FRAME = (288, 192)
FPS = 8
NEAR = 0.78
"""Share of the scene's width that the camera sees where it is near."""
SHORTEST = 3.5
"""Seconds of a clip."""
BEFORE, AFTER = 0.4, 0.5
"""Seconds before and after the line."""
MOVES = ("push in", "pull out", "pan left", "pan right")
UNSPOKEN = {"no sound": 2, "silence": 1, "sound alone": 3}
"""How many clips of 60 have no line, and what they have instead."""
_LOUDNESS = {"sound alone": 0.5, "silence": 0.0}
_UNDER = 0.12
"""Peak of the sound under a voice, which has 0.7."""
ESPEAK = "espeak-ng"
GET_IT = (
    "install them (apt install espeak-ng ffmpeg, brew install espeak-ng ffmpeg), or use DEMO=small, which needs none"
)


@dataclass(frozen=True)
class Clip:
    """One clip before it is made. `heard` says whether it has a voice, and what it has instead."""

    title_id: str
    scene: Scene
    move: str
    heard: str
    topic: str | None
    line: str | None
    speaker: Actor
    seed: tuple[int, ...]

    @property
    def clip_id(self) -> str:
        return f"{self.title_id}-clip"

    @property
    def sound(self) -> str | None:
        """Name of what is to be heard beside the voice."""
        return SOUND_OF[self.scene.setting] if self.heard in ("voice", "sound alone") else None


def plan(catalogue: Sequence[Title], seed: int) -> list[Clip]:
    """One clip of each title, in their order."""
    deal = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    themes, places = (deal.permutation(len(catalogue)) for _ in range(2))
    unspoken = [kind for kind, count in UNSPOKEN.items() for _ in range(round(count * len(catalogue) / 60))]
    made = []
    for number, title in enumerate(catalogue):
        rng = np.random.Generator(np.random.PCG64([seed, _STREAM, number]))
        theme = tuple(THEMES)[themes[number] % len(THEMES)]
        scene = sample_scene(rng, theme=theme, kind="key art")
        scene = replace(scene, width=DRAWN[0], height=DRAWN[1], title_text=None, framed=False)
        scene = with_cast(rng, scene, title.cast)
        at = int(places[number]) - len(unspoken)
        topic = TOPICS[at % len(TOPICS)] if at >= 0 else None
        made.append(
            Clip(
                title_id=title.title_id,
                scene=scene,
                move=MOVES[int(rng.integers(len(MOVES)))],
                heard="voice" if topic else unspoken[at],
                topic=topic,
                line=LINES[topic][at // len(TOPICS) % len(LINES[topic])] if topic else None,
                speaker=next(filter(None, scene.actors), title.cast[0]),
                seed=(seed, _STREAM, number),
            )
        )
    return made


def write_clips(folder: Path, ffmpeg: str = "ffmpeg", seed: int = 0) -> None:
    """Make `folder` hold the clip world of this seed; does nothing when it already does.

    Errors: RefusedInput when a program is missing, or the folder holds something else than a demo world; RunFailed
    when a program fails.
    """
    stamp = {"version": VERSION, "size": "clips", "seed": seed}
    if not is_whole(Path(folder), stamp):
        refuse_missing(ffmpeg)
        write_whole(Path(folder), stamp, partial(_make, ffmpeg, seed))


def _make(ffmpeg: str, seed: int, folder: Path) -> None:
    catalogue = list(titles(SIZES["small"].titles, seed))
    planned = plan(catalogue, seed)
    for name in ("clip", "still", "ears", "truth"):
        (folder / name).mkdir()
    over_all_processors(partial(film, folder, ffmpeg), planned, "clip")
    ears.gather(folder / "ears", {clip.clip_id: (clip.line, clip.sound) for clip in planned})
    write_table(folder / "truth/clip.parquet", _CLIP, [_clip_table(planned)])
    write_table(folder / "truth/member.parquet", audience.MEMBER, [audience.members()])
    history = audience.history(catalogue, planned, seed)
    write_table(folder / "history.parquet", history.schema, [history])
    for kind in audience.KINDS:
        rows = audience.of_kind(history, kind)
        write_table(folder / f"history-{kind}.parquet", rows.schema, [rows])
    write_table(folder / "title.parquet", TITLE, [title_table(catalogue)])
    write_table(folder / "manifest.parquet", MANIFEST, [_manifest_table(planned)])


def refuse_missing(ffmpeg: str) -> None:
    """Errors: RefusedInput when a program that makes clips is not there."""
    missing = [command for command in (ESPEAK, ffmpeg) if shutil.which(command) is None]
    if missing:
        raise RefusedInput(f"the clip world is spoken and filmed by {' and '.join(missing)}, not found here: {GET_IT}")


def film(folder: Path, ffmpeg: str, clip: Clip) -> None:
    """Write the clip, its still, and its sound for `ears`. Errors: RunFailed."""
    sound = soundtrack(clip)
    seconds = round(len(sound) / HERTZ, 3)
    drawn = render(clip.scene)
    count = round(seconds * FPS)
    pictures = [drawn.resize(FRAME, Image.Resampling.BILINEAR, view(clip, (n + 0.5) / count)) for n in range(count)]
    pictures[count // 2].save(folder / "still" / f"{clip.title_id}.jpg", quality=90)
    place = folder / "clip" / f"{clip.title_id}.mp4"
    command = [ffmpeg, "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{FRAME[0]}x{FRAME[1]}", "-r", str(FPS), "-i", "-"]
    if clip.heard != "no sound":
        heard = folder / "ears" / f"{clip.clip_id}.wav"
        _write_wave(heard, sound)
        command += ["-i", str(heard), "-c:a", "alac"]  # without loss, so that `ears` knows it again
    command += ["-c:v", "mpeg4", "-q:v", "3", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
    _run([*command, str(place)], b"".join(picture.tobytes() for picture in pictures))


def view(clip: Clip, at: float) -> tuple[float, float, float, float]:
    """What the camera sees at a moment from 0 to 1, as a box of the scene in pixels."""
    width, height = clip.scene.width, clip.scene.height
    side = {"left": 0.25, "centre": 0.5, "right": 0.75}[clip.scene.layout]
    share, across = {
        "push in": (1 - (1 - NEAR) * at, side),
        "pull out": (NEAR + (1 - NEAR) * at, side),
        "pan left": (NEAR, 1 - at),
        "pan right": (NEAR, at),
    }[clip.move]
    left, top = (width - width * share) * across, (height - height * share) * 0.6
    return left, top, left + width * share, top + height * share


def soundtrack(clip: Clip) -> Samples:
    """Samples at `HERTZ`, from -1 to 1: the line, and the sound of the setting under it. Errors: RunFailed."""
    rng = np.random.Generator(np.random.PCG64([*clip.seed, 1]))
    voice = np.zeros(0) if clip.line is None else _spoken(clip)
    seconds = max(SHORTEST, BEFORE + len(voice) / HERTZ + AFTER)
    seconds = np.ceil(seconds * FPS) / FPS  # whole frames
    found = np.zeros(round(seconds * HERTZ))
    if clip.sound:
        found += ambience(rng, clip.sound, seconds) * _LOUDNESS.get(clip.heard, _UNDER)
    begin = round(BEFORE * HERTZ)
    found[begin : begin + len(voice)] += voice
    return found


def _spoken(clip: Clip) -> Samples:
    """The line in the actor's voice, its loudest sample 0.7."""
    actor = clip.speaker
    voice = f"en+{actor.sex[0].replace('w', 'f')}{1 + actor.number % 4}"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "line.wav")
        pitch, speed = str(40 + 5 * (actor.number % 5)), str(155 + 5 * (actor.number % 4))
        _run([ESPEAK, "-v", voice, "-p", pitch, "-s", speed, "-w", str(place), "--stdin"], str(clip.line).encode())
        try:
            with wave.open(str(place)) as file:
                rate, samples = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")
        except (OSError, EOFError, wave.Error) as error:
            raise RunFailed(f"{ESPEAK} wrote no sound of the line {clip.line!r}: {error}") from error
    found = _at_rate(samples.astype(float), rate)
    return np.asarray(found * (0.7 / max(1.0, np.abs(found).max())))


def _at_rate(samples: Samples, rate: int) -> Samples:
    """The same sound at `HERTZ`, without what is above half of that."""
    count = len(samples) * HERTZ // rate
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, count) * count / len(samples))


def _write_wave(place: Path, samples: Samples) -> None:
    with wave.open(str(place), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(HERTZ)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())


def _run(command: list[str], given: bytes) -> None:
    """Errors: RunFailed."""
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        why = sentence(done.stderr.decode("utf-8", "replace"))[:300]
        raise RunFailed(f"{command[0]} failed while the clip world was made (exit code {done.returncode}): {why}")


_CLIP = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("title_id", pa.string(), nullable=False),
        ("caption", pa.string()),
        ("theme", pa.string()),
        ("setting", pa.string()),
        ("mood", pa.string()),
        ("subjects", pa.list_(pa.string())),
        ("camera", pa.string()),
        ("heard", pa.string()),
        ("topic", pa.string()),
        ("line", pa.string()),
        ("speaker", pa.string()),
        ("sound", pa.string()),
        ("sound_words", pa.string()),
    ]
)


def _clip_table(planned: Sequence[Clip]) -> pa.Table:
    rows = [
        {
            **describe(clip.scene),
            "clip_id": clip.clip_id,
            "title_id": clip.title_id,
            "camera": clip.move,
            "heard": clip.heard,
            "topic": clip.topic,
            "line": clip.line,
            "speaker": clip.speaker.name if clip.line else None,
            "sound": clip.sound,
            "sound_words": SOUNDS[clip.sound][2] if clip.sound else None,
        }
        for clip in planned
    ]
    return pa.Table.from_pylist([{name: row[name] for name in _CLIP.names} for row in rows], schema=_CLIP)


def _manifest_table(planned: Sequence[Clip]) -> pa.Table:
    rows = []
    for clip in planned:
        rows.append((clip.clip_id, clip.title_id, f"clip/{clip.title_id}.mp4", "trailer"))
        rows.append((f"{clip.title_id}-still", clip.title_id, f"still/{clip.title_id}.jpg", "still"))
    names = ("artwork_id", "title_id", "uri", "kind")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=MANIFEST)


def truth(folder: Path) -> pa.Table:
    """Table truth/clip. Errors: RefusedInput naming the file."""
    return table(Path(folder) / "truth/clip.parquet")
