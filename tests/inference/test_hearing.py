"""What is taken for worth hearing: loudness, voices, and the stretches of a clip."""

import io
import shutil
import subprocess
import wave

import numpy as np
import pytest

from featurize.inference import hearing
from featurize.media.decode import HERTZ


def tone(db: float, seconds: float = 2.0, hertz: float = 300) -> np.ndarray:
    """A sine of that loudness: its mean square is half its peak's."""
    at = np.arange(int(seconds * HERTZ)) / HERTZ
    return (np.sqrt(2) * 10 ** (db / 20) * 32768 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def test_loudness_is_that_of_the_loudest_moment():
    assert hearing.loudness(tone(-20)) == pytest.approx(-20, abs=0.1)
    assert hearing.loudness(np.concatenate([np.zeros(9 * HERTZ, np.int16), tone(-30, 1)])) == pytest.approx(
        -30, abs=0.1
    )
    assert hearing.loudness(np.zeros(HERTZ, np.int16)) == hearing.loudness(np.zeros(0, np.int16)) == -200


def test_stretches_are_joined_and_spread_within_what_a_model_hears_at_once():
    assert hearing.together([(0, 4), (5, 20), (21, 31), (32, 40)]) == [(0, 20), (21, 40)]
    assert hearing.spread(12, 3) == [(0.0, 12)]
    assert hearing.spread(120, 2) == [(15, 45), (75, 105)]
    assert hearing.spread(40, 5) == [(0, 30), (10, 40)]


def test_a_file_of_samples_has_them_all():
    with wave.open(io.BytesIO(hearing.as_wav(tone(-20, 0.5)))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (HERTZ, 1, HERTZ // 2)
        assert np.array_equal(np.frombuffer(file.readframes(HERTZ), "<i2"), tone(-20, 0.5))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is missing")
def test_a_voice_is_heard_and_music_and_noise_are_not(tmp_path):
    subprocess.run(["espeak-ng", "-w", tmp_path / "said.wav", "Nobody leaves this ship, said the captain."], check=True)
    with wave.open(str(tmp_path / "said.wav")) as file:
        rate, data = file.getframerate(), np.frombuffer(file.readframes(10**7), "<i2")
    said = data[(np.arange(int(len(data) / rate * HERTZ)) * rate / HERTZ).astype(int)]
    at = np.arange(6 * HERTZ) / HERTZ
    music = sum(np.sin(2 * np.pi * hertz * at) * np.exp(-(at % 0.5) * 4) for hertz in (220, 277, 330, 440))
    noise = np.random.default_rng(0).normal(0, 3000, 6 * HERTZ)
    assert hearing.voices((3000 * music).astype(np.int16), 0.5) == []
    assert hearing.voices(noise.astype(np.int16), 0.5) == []
    pause = np.zeros(2 * HERTZ, np.int16)
    heard = hearing.voices(np.concatenate([pause, said, pause]), 0.5)
    assert heard[0][0] == pytest.approx(2, abs=0.3)
    assert heard[-1][1] == pytest.approx(2 + len(said) / HERTZ, abs=0.5)
