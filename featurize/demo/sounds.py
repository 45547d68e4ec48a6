"""What a setting sounds like, made of noise and sines; nobody speaks or sings in it.

Several settings share a sound, so it tells less than the picture does. Samples are float, between -1 and 1, and the
same for the same generator.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

HERTZ = 16_000
Samples = NDArray[np.float64]


def _noise(rng: np.random.Generator, count: int, low: float, high: float) -> Samples:
    """Noise between two frequencies, of mean square 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    at = np.fft.rfftfreq(count, 1 / HERTZ)
    spectrum[(at < low) | (at > high)] = 0
    found = np.fft.irfft(spectrum, count)
    return np.asarray(found / max(1e-9, np.sqrt(np.mean(found**2))))


def _swell(rng: np.random.Generator, at: Samples, seconds: float) -> Samples:
    """From 0.2 to 1 and back, about every so many seconds."""
    turns = at / seconds + 0.15 * np.sin(2 * np.pi * at / (2.7 * seconds)) + rng.random()
    return np.asarray(0.6 + 0.4 * np.sin(2 * np.pi * turns))


def _struck(rng: np.random.Generator, at: Samples, every: float, pitches: tuple[float, ...], ring: float) -> Samples:
    """Tones that begin about every so many seconds and die away in `ring` seconds."""
    found = np.zeros_like(at)
    begin = every * rng.random()
    while begin < at[-1]:
        since = at - begin
        pitch = pitches[int(rng.integers(len(pitches)))]
        found += np.where(since > 0, np.sin(2 * np.pi * pitch * since) * np.exp(-np.maximum(since, 0) / ring), 0)
        begin += every * (0.6 + 0.8 * rng.random())
    return found


def _waves(rng: np.random.Generator, at: Samples) -> Samples:
    return _noise(rng, len(at), 100, 2500) * _swell(rng, at, 2.5) ** 2


def _wind(rng: np.random.Generator, at: Samples) -> Samples:
    return _noise(rng, len(at), 300, 700) * _swell(rng, at, 4) + 0.3 * _noise(rng, len(at), 60, 200)


def _birds(rng: np.random.Generator, at: Samples) -> Samples:
    chirps = sum(_struck(rng, at, 0.4, (pitch, pitch * 1.12), 0.05) for pitch in (2900.0, 3700.0, 4600.0))
    return np.asarray(chirps + 0.15 * _noise(rng, len(at), 1000, 6000))


def _traffic(rng: np.random.Generator, at: Samples) -> Samples:
    return _noise(rng, len(at), 40, 300) * _swell(rng, at, 3) + 0.2 * _struck(rng, at, 1.8, (392.0, 466.0), 0.4)


def _hum(rng: np.random.Generator, at: Samples) -> Samples:
    pitch = 48 + 6 * rng.random()
    tones = sum(np.sin(2 * np.pi * pitch * part * at) / part for part in (1, 2, 3, 5))
    return np.asarray(tones + 0.4 * _struck(rng, at, 1.2, (1320.0, 1760.0), 0.08))


def _fire(rng: np.random.Generator, at: Samples) -> Samples:
    crackles = np.zeros(len(at))
    hits = rng.integers(0, len(at), len(at) // 900)
    crackles[hits] = rng.random(len(hits)) ** 2
    tail = np.exp(-np.arange(160) / 25) * rng.standard_normal(160)
    return np.convolve(crackles, tail)[: len(at)] * 3 + 0.2 * _noise(rng, len(at), 80, 500)


def _bell(rng: np.random.Generator, at: Samples) -> Samples:
    partials = ((1, 523.0), (2, 1247.0), (3, 1811.0), (4, 2843.0))  # far from whole multiples, or it is a voice to some
    tolls = sum(_struck(rng, at, 1.9, (pitch,), 1.2 / share) / share for share, pitch in partials)
    return np.asarray(tolls + 0.05 * _noise(rng, len(at), 60, 250))


SOUNDS: dict[str, tuple[Callable[[np.random.Generator, Samples], Samples], tuple[str, ...], str]] = {
    "waves": (_waves, ("beach",), "Waves roll onto a shore and draw back over the sand."),
    "wind": (_wind, ("desert", "mountains", "snowfield"), "Wind sweeps over open land, rising and falling."),
    "birds": (_birds, ("forest", "meadow"), "Birds chirp to each other among leaves."),
    "traffic": (_traffic, ("city",), "Traffic rumbles by, with a horn now and then."),
    "hum": (_hum, ("outer space", "spaceship"), "A machine hums low and steady, and something beeps."),
    "fire": (_fire, ("living room",), "A fire crackles in a fireplace."),
    "bell": (_bell, ("castle", "haunted house"), "A bell tolls slowly in a large hall."),
}
"""Name -> how it is made, the settings that have it, and what there is to say of it."""

SOUND_OF = {setting: name for name, (_, settings, _) in SOUNDS.items() for setting in settings}


def ambience(rng: np.random.Generator, name: str, seconds: float) -> Samples:
    """The sound of that name, its loudest sample 1."""
    made = SOUNDS[name][0](rng, np.arange(round(seconds * HERTZ)) / HERTZ)
    return np.asarray(made / np.abs(made).max())
