"""Speech and sound of clips: when a model is asked, what an endpoint is sent, and the job with both."""

import base64
import json
import shutil
import subprocess
import wave
from pathlib import Path

import duckdb
import numpy as np
import pytest
import tiny_checkpoints
from clips import ffmpeg, film, needs_ffmpeg, noise
from stand_in_endpoint import COMPLETION, Reply, Seen, answering

from featurize.errors import RefusedInput, RunFailed
from featurize.media.decode import HERTZ, Sound
from featurize.models import sound_captioner, speech
from jobs import cli, featurize

needs_a_voice = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is missing")
LINE = "Nobody leaves this ship, said the captain, before the storm is over."
SILENCE = np.zeros(4 * HERTZ, np.int16)
AT = np.arange(6 * HERTZ) / HERTZ
MUSIC = (3000 * sum(np.sin(2 * np.pi * f * AT) * np.exp(-(AT % 0.5) * 4) for f in (220, 277, 330, 440))).astype("int16")


def say(path: Path, line: str = LINE) -> Path:
    subprocess.run(["espeak-ng", "-w", str(path), line], check=True)
    return path


def reply(seen: Seen) -> Reply:
    if seen.path == "/v1/audio/transcriptions":
        return Reply(body=json.dumps({"text": " Nobody leaves this ship. "}))
    assert seen.path == "/v1/chat/completions"
    return Reply(body=json.dumps(COMPLETION).replace('{\\"caption\\": \\"a cat\\"}', "Wind and a calm voice. And th"))


def endpoint(server):
    return {"address": server.address, "model": "ears", "revision": "1", "backoff_s": 0, "concurrency": 2}


@pytest.fixture
def spoken(tmp_path) -> np.ndarray:
    say(tmp_path / "said.wav")
    ffmpeg("-i", tmp_path / "said.wav", "-ar", HERTZ, "-ac", 1, tmp_path / "16k.wav")
    with wave.open(str(tmp_path / "16k.wav")) as file:
        return np.frombuffer(file.readframes(10**7), "<i2")


@needs_ffmpeg
@needs_a_voice
def test_an_endpoint_is_asked_for_words_only_where_somebody_speaks(spoken):
    clips = [
        Sound(None, 3.0),
        Sound(SILENCE, 4.0),
        Sound(MUSIC, 6.0),
        Sound(np.concatenate([SILENCE, spoken, SILENCE]), 8 + len(spoken) / HERTZ),
    ]
    with answering(reply) as server:
        extractor = speech.Extractor(speech.Settings(endpoint=endpoint(server), language="en"))
        assert len(server.seen) == 1  # before the first clip
        rows = [extractor.extract([extractor.prepare(clip)]) for clip in clips]
        extractor.close()
    assert [row["status"] for row in rows] == [["no_audio"], ["silent"], ["no_speech"], ["ok"]]
    assert [row["text"] for row in rows] == [[None], [None], [None], ["Nobody leaves this ship."]]
    assert len(server.seen) == 2
    asked = server.seen[1]
    assert asked.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert 'name="model"\r\n\r\nears\r\n' in asked.body
    assert 'name="language"\r\n\r\nen\r\n' in asked.body
    assert 'filename="clip.wav"' in asked.body
    ((begin,), (end,)) = rows[3]["begins"][0], rows[3]["ends"][0]
    assert begin == pytest.approx(4, abs=0.3)
    assert end == pytest.approx(4 + len(spoken) / HERTZ, abs=0.5)
    assert 0.5 * (end - begin) < rows[3]["spoken_seconds"][0] <= end - begin + 0.001


def test_an_endpoint_hears_sound_as_a_file_in_the_chat_and_no_silence():
    with answering(reply) as server:
        chosen = sound_captioner.Settings(endpoint=endpoint(server), stretches=2)
        extractor = sound_captioner.Extractor(chosen)
        long = Sound(np.tile(MUSIC, 20), 120.0)
        rows = extractor.extract([extractor.prepare(clip) for clip in (Sound(None, 1.0), Sound(SILENCE, 4.0), long)])
        extractor.close()
    assert rows["status"] == ["no_audio", "silent", "ok"]
    assert rows["description"] == [None, None, "Wind and a calm voice. And th"]
    assert rows["begins"] == [[], [], [15.0, 75.0]]
    assert (rows["prompt_tokens"], rows["output_tokens"]) == ([0, 0, 5], [0, 0, 7])
    assert len(server.seen) == 2
    *sounds, words = json.loads(server.seen[1].body)["messages"][0]["content"]
    assert [part["type"] for part in (*sounds, words)] == ["input_audio", "input_audio", "text"]
    assert len(base64.b64decode(sounds[0]["input_audio"]["data"])) == 44 + 2 * 30 * HERTZ


def test_an_endpoint_without_the_model_ends_the_run_in_one_sentence():
    with answering(lambda seen: Reply(404, "no such model")) as server, pytest.raises(RunFailed, match="answered 404"):
        speech.Extractor(speech.Settings(endpoint=endpoint(server)))


def test_a_model_or_an_endpoint_must_be_given():
    for settings in (speech.Settings, sound_captioner.Settings):
        with pytest.raises(ValueError, match="give exactly one of 'model' and 'endpoint'"):
            settings()


@pytest.mark.slow
def test_weights_of_another_kind_are_refused(tmp_path):
    tiny_checkpoints.build_captioner(tmp_path / "pictures")
    with pytest.raises(RefusedInput, match="as a model of speech"):
        speech.Extractor(speech.Settings(model=str(tmp_path / "pictures")))
    with pytest.raises(RefusedInput, match="does not take 1 stretches of sound"):
        sound_captioner.Extractor(sound_captioner.Settings(model=str(tmp_path / "pictures")))


@needs_ffmpeg
@needs_a_voice
@pytest.mark.slow
def test_from_a_catalogue_to_words_about_pictures_speech_and_sound(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "clips"
    place.mkdir()
    say(tmp_path / "said.wav")
    film(place / "silent film.mp4", sound=None)
    ffmpeg("-i", place / "silent film.mp4", "-i", tmp_path / "said.wav", "-c:v", "copy", place / "spoken.mp4")
    noise(place / "nothing.wav", "anullsrc")
    noise(place / "music.mp3")
    tiny_checkpoints.build_whisper(tmp_path / "whisper")
    with answering(reply) as server:
        there = f'endpoint = {{address = "{server.address}", model = "ears", revision = "1"}}'
        chosen = {
            "run.executor": "local", "embed": "null", "describe": "null", "store": "store", "input.artwork": "clips",
            "describe_clips.backend": "fake_clip",
            "describe_sound": f'{{backend = "sound_captioner", {there}}}',
            "transcribe": f'{{backend = "speech", model = "{tmp_path}/whisper", dtype = "float32", '
            "max_new_tokens = 9}",
        }  # fmt: skip
        given = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
        assert cli.main("featurize", featurize.__doc__, featurize.featurize, given) == 0
        told = " ".join(capsys.readouterr().out.split())
        asked = len(server.seen)
        assert cli.main("featurize", featurize.__doc__, featurize.featurize, given) == 0
        assert len(server.seen) == asked

    def found(table, columns):
        return duckdb.sql(
            f"SELECT clip_id, {columns} FROM 'store/{table}/**/*.parquet' AS made "
            "JOIN 'store/clip/**/*.parquet' USING (clip_sha256) ORDER BY clip_id"
        ).fetchall()

    assert found("clip_description", "description") == [
        ("silent film.mp4", "300 030 030 003"),
        ("spoken.mp4", "300 030 030 003"),
    ]
    assert [row[:2] for row in found("transcript", "status, text IS NULL")] == [
        ("music.mp3", "no_speech"),
        ("nothing.wav", "silent"),
        ("silent film.mp4", "no_audio"),
        ("spoken.mp4", "truncated"),
    ]
    assert found("sound_description", "status, description") == [
        ("music.mp3", "ok", "Wind and a calm voice. And th"),
        ("nothing.wav", "silent", None),
        ("silent film.mp4", "no_audio", None),
        ("spoken.mp4", "ok", "Wind and a calm voice. And th"),
    ]
    assert "note: speech: of 4 clips no_audio 1, no_speech 1, silent 1, truncated 1" in told
    assert not list(Path("store").glob("quarantine/**/*.parquet"))
    where = "made.model_key IN (SELECT model_key FROM 'store/model/**/*.parquet')"
    assert all(row[1:] == (True, True) for row in found("transcript", f"{where}, made.run_id <> '' "))
