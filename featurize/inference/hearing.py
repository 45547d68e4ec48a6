"""What is worth hearing of a clip: how loud it is, where somebody speaks, and its samples as a file.

Speech models make up words where nobody speaks, so they are asked only about stretches that are loud enough and where
Silero's voice activity detector (MIT, its weights lie in its package) hears a voice.
"""

from __future__ import annotations

import io
import threading
import warnings
import wave
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from featurize.media.decode import HERTZ

Samples = npt.NDArray[np.int16]
Stretch = tuple[float, float]
"""From and to, in seconds."""
MOMENT_SECONDS = 0.4
"""Loudness is that of the loudest moment. Length: ITU-R BS.1770-5, annex 1, without its weighting by frequency."""
LONGEST_SECONDS = 30.0
"""What Whisper and its relatives hear at once."""
QUIETEST_DB = -200.0
_one_voice = threading.Lock()


def loudness(samples: Samples) -> float:
    """Of the loudest moment, in dB below full scale; `QUIETEST_DB` of nothing."""
    size = int(MOMENT_SECONDS * HERTZ)
    loudest = 0.0
    for begin in range(0, max(len(samples), 1), size // 2):
        moment = samples[begin : begin + size].astype(np.float32) / 32768
        if moment.size:
            loudest = max(loudest, float(np.mean(moment**2)))
    return max(QUIETEST_DB, 10 * float(np.log10(loudest))) if loudest else QUIETEST_DB


def voices(samples: Samples, threshold: float) -> list[Stretch]:
    """Where somebody speaks; none is longer than `LONGEST_SECONDS`. `threshold` is a probability."""
    import torch

    detector, find = _silero()
    with _one_voice, torch.inference_mode():  # it remembers what it heard before
        found = find(
            torch.from_numpy(samples.astype(np.float32) / 32768),
            detector,
            threshold=threshold,
            sampling_rate=HERTZ,
            max_speech_duration_s=LONGEST_SECONDS,
        )
    return [(each["start"] / HERTZ, each["end"] / HERTZ) for each in found]


def voice_identity() -> str:
    """For the fingerprint."""
    return f"silero-vad {version('silero-vad')}"


@cache
def _silero() -> tuple[Any, Any]:
    import torch

    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        from silero_vad import get_speech_timestamps, load_silero_vad

        detector = load_silero_vad()
    torch.set_num_threads(threads)  # importing it sets one
    return detector, get_speech_timestamps


def together(stretches: list[Stretch], most: float = LONGEST_SECONDS) -> list[Stretch]:
    """Neighbours as one, as long as that is no longer than `most` seconds: a sentence has pauses."""
    found: list[Stretch] = []
    for begin, end in stretches:
        if found and end - found[-1][0] <= most:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def spread(seconds: float, count: int, length: float = LONGEST_SECONDS) -> list[Stretch]:
    """The whole clip where it is no longer than `length`, else up to `count` stretches evenly over it."""
    if seconds <= length:
        return [(0.0, seconds)]
    count = min(count, int(-(-seconds // length)))
    middles = [seconds * (number + 0.5) / count for number in range(count)]
    begins = [min(max(0.0, middle - length / 2), seconds - length) for middle in middles]
    return [(begin, begin + length) for begin in begins]


def part(samples: Samples, stretch: Stretch) -> Samples:
    return samples[int(stretch[0] * HERTZ) : int(stretch[1] * HERTZ)]


def at_least(seconds: float, samples: Samples) -> Samples:
    """Samples with silence behind them, where they are shorter."""
    return np.pad(samples, (0, max(0, int(seconds * HERTZ) - len(samples))))


def hum(seconds: float) -> Samples:
    """A tone, to ask an endpoint about before the first clip."""
    return (3000 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * HERTZ)) / HERTZ)).astype(np.int16)


def as_wav(samples: Samples) -> bytes:
    """A file of 16 bits, mono."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(HERTZ)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()
