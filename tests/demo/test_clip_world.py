"""The clip world: what can be told of it from where, what is to be heard, and the jobs on it from film to figures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest
from clips import needs_ffmpeg

from featurize import demo
from featurize.demo import audience, clips, ears, world
from featurize.demo.lines import LINES
from featurize.demo.sounds import HERTZ, SOUND_OF, SOUNDS, ambience
from featurize.demo.titles import titles
from featurize.demo.vocabulary import MOODS, ROLES, SETTINGS, THEMES
from featurize.errors import RefusedInput
from featurize.inference import hearing
from featurize.media.decode import Decoder
from featurize.models import speech
from jobs import cli, featurize, prompts, recommend

needs_a_voice = pytest.mark.skipif(not shutil.which(clips.ESPEAK), reason="espeak-ng is missing")
CATALOGUE = list(titles(60, 0))
PLAN = clips.plan(CATALOGUE, 0)


def test_neither_names_nor_genres_tell_what_a_clip_shows_or_says() -> None:
    """A guess by the title's first theme is right as often as any guess."""
    for what in (lambda clip: clip.scene.theme, lambda clip: clip.topic):
        by_theme: dict[str, list[str]] = {}
        for title, clip in zip(CATALOGUE, PLAN, strict=True):
            by_theme.setdefault(title.themes[0], []).append(what(clip))
        right = 0
        for told in by_theme.values():
            right += sum(told.count(each) - 1 for each in told) / max(1, len(told) - 1)
        assert right / 60 < 0.2, right  # one in ten or eight by chance


def test_a_line_has_no_word_of_the_pictures_and_a_topic_has_words_of_its_own() -> None:
    seen = {*THEMES, *SETTINGS, *MOODS, *ROLES, *(prop for theme in THEMES.values() for prop in theme.props)}
    everything = [line for lines in LINES.values() for line in lines]
    assert len(set(everything)) == len(everything) == 64
    for line in everything:
        assert not seen & set(re.findall(r"\w+", line.lower())), line
        assert len(line.split()) <= 12
    told = [clip.line for clip in PLAN if clip.line]
    assert len(told) == len(set(told)) == 54
    assert sorted({clip.heard for clip in PLAN}) == ["no sound", "silence", "sound alone", "voice"]


def test_members_care_for_what_is_seen_or_heard_or_told_and_for_nothing_else() -> None:
    liked = audience.liking(CATALOGUE, PLAN, 0)
    assert liked.shape == (audience.COUNT, 60)
    assert 0 <= liked.min() <= liked.max() <= 1
    by_kind = {kind: liked[place :: len(audience.KINDS)] for place, kind in enumerate(audience.KINDS)}
    for kind, what in (
        ("watchers", lambda clip: (clip.scene.setting, clip.scene.mood)),
        ("listeners", lambda clip: clip.topic),
    ):
        alike: dict[object, list[int]] = {}
        for place, clip in enumerate(PLAN):
            alike.setdefault(what(clip), []).append(place)
        for places in alike.values():
            assert (by_kind[kind][:, places] == by_kind[kind][:, places[:1]]).all()
        assert len(np.unique(by_kind[kind][0].round(9))) == len(alike)
    unspoken = [place for place, clip in enumerate(PLAN) if clip.topic is None]
    assert (by_kind["listeners"][:, unspoken] == 0).all()
    alike = [place for place, title in enumerate(CATALOGUE) if title.themes == CATALOGUE[0].themes]
    assert (by_kind["readers"][:, alike] == by_kind["readers"][:, alike[:1]]).all()


def test_histories_say_what_is_liked_and_never_what_comes_next() -> None:
    made = audience.history(CATALOGUE, PLAN, 0)
    assert made.equals(audience.history(CATALOGUE, PLAN, 0))
    told = duckdb.sql(
        """SELECT member_id, count(*) AS plays, count(DISTINCT title_id) AS titles, count(DISTINCT "at") AS moments
        FROM made GROUP BY ALL"""
    ).fetchall()
    assert len(told) == audience.COUNT
    assert all(plays == titles == moments for _, plays, titles, moments in told)
    assert {plays for _, plays, *_ in told} == set(range(audience.FEWEST, audience.MOST + 1))
    of_kinds = [audience.of_kind(made, kind) for kind in audience.KINDS]
    assert sum(each.num_rows for each in of_kinds) == made.num_rows
    places = {title.title_id: place for place, title in enumerate(CATALOGUE)}
    liked = audience.liking(CATALOGUE, PLAN, 0)
    rows = made.sort_by("at").to_pylist()
    values = np.array([liked[int(row["member_id"][1:]) - 1, places[row["title_id"]]] for row in rows])
    assert values.mean() > liked.mean() + 0.15
    early, late = np.array_split(values, 2)
    assert abs(early.mean() - late.mean()) < 0.02


def test_no_setting_is_without_a_sound_and_no_sound_is_taken_for_a_voice() -> None:
    assert set(SOUND_OF) == set(SETTINGS)
    for name in SOUNDS:
        made = ambience(np.random.default_rng(0), name, 3.5)
        assert np.abs(made).max() == pytest.approx(1)
        samples = (made * 16_000).astype(np.int16)
        assert hearing.loudness(samples) > -45
        assert hearing.voices(samples, 0.5) == [], name


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    """Ears that know two recordings."""
    for name, sound in (("a-clip", "waves"), ("b-clip", "fire")):
        clips._write_wave(tmp_path / f"{name}.wav", ambience(np.random.default_rng(1), sound, 2) * 0.5)
    ears.gather(tmp_path, {"a-clip": ("One.", "waves"), "b-clip": (None, "fire"), "c-clip": (None, None)})
    return tmp_path


def test_who_hears_knows_a_recording_by_any_part_of_it_and_has_no_words_for_others(heard: Path) -> None:
    assert sorted(path.name for path in heard.iterdir()) == ["config.json", "model.safetensors"]
    known = ears.Ears(heard)
    whole = np.frombuffer(known._recordings["a-clip"], np.int16)
    assert (known.hear(whole, "line"), known.hear(whole[5001:14_000], "sound")) == ("One.", SOUNDS["waves"][2])
    other = np.frombuffer(known._recordings["b-clip"], np.int16)
    assert (known.hear(other[99:], "line"), known.hear(other[99:], "sound")) == ("", SOUNDS["fire"][2])
    for unknown in (np.zeros(HERTZ, np.int16), hearing.hum(0.5), whole[::-1].copy(), whole[:0]):
        assert known.hear(unknown, "line") == ""


def test_it_is_started_asked_and_ended_as_a_server_of_speech_is(heard: Path, tmp_path: Path) -> None:
    serve = "{python} -m featurize.demo.ears {weights} --port {port}"
    endpoint = {"model": str(heard), "serve": serve, "log_dir": tmp_path / "logs", "backoff_s": 0}
    extractor = speech.Extractor(speech.Settings(endpoint=endpoint))
    try:
        whole = np.frombuffer(ears.Ears(heard)._recordings["a-clip"], np.int16)
        assert extractor._words.write([whole[1000:], hearing.hum(1.0)]) == [("One.", True), ("", True)]
    finally:
        extractor.close()


def test_without_a_program_the_clip_world_is_refused_in_one_sentence_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedInput, match=r"no-such-program, not found here: install them \(apt install espeak-ng"):
        demo.write(tmp_path / "demo" / "clips", "clips", "no-such-program")
    monkeypatch.setattr(clips, "ESPEAK", "no-such-voice")
    given = ["--profile", "clips", "--set", "run.executor=local"]
    assert cli.main("featurize", featurize.__doc__, featurize.featurize, given) == 2
    said = capsys.readouterr().err
    assert "error: the clip world is spoken and filmed by no-such-voice" in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert cli.main("featurize", featurize.__doc__, featurize.featurize, [*given, "--dry-run"]) == 2
    assert "is not there yet, and a dry run makes nothing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def few_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight titles three are without a voice."""
    size = world.SIZES["small"]
    monkeypatch.setitem(world.SIZES, "small", world.Size(8, size.members, size.history_rows, size.impressions))
    monkeypatch.setattr(clips, "UNSPOKEN", {"no sound": 8, "silence": 8, "sound alone": 8})
    monkeypatch.setattr(audience, "COUNT", 60)
    monkeypatch.setattr(audience, "FEWEST", 4)
    monkeypatch.setattr(audience, "MOST", 6)


@needs_ffmpeg
@needs_a_voice
@pytest.mark.slow
def test_from_films_to_what_descriptions_are_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    few_clips(monkeypatch)
    text = 'text={backend = "open_clip_text", model = "bundled:clip"}'
    given = ["--profile", "clips", "--set", "run.executor=local", "--set", text]
    assert cli.main("featurize", featurize.__doc__, featurize.featurize, given) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "described:" in told
    assert "note: speech: of 8 clips no_audio 1, no_speech 1, silent 1" in told
    truth = {row["clip_id"]: row for row in world.table(Path("demo/clips/truth/clip.parquet")).to_pylist()}
    with duckdb.connect("store-clips/catalog.duckdb", read_only=True) as db:
        shown = {row["clip_id"]: row for row in db.sql("FROM clip_features").to_arrow_table().to_pylist()}
    assert shown.keys() == truth.keys()
    statuses = {"voice": "ok", "no sound": "no_audio", "silence": "silent", "sound alone": "no_speech"}
    for name, row in shown.items():
        assert row["transcript"] == truth[name]["line"]
        assert row["transcript_status"] == statuses[truth[name]["heard"]]
        assert row["sound"] == truth[name]["sound_words"]
        assert row["refused"] is None
    assert sum(truth[name]["mood"] in row["description"].lower() for name, row in shown.items()) >= 6
    spoken = next(row for row in truth.values() if row["line"])
    frames = Decoder().frames(Path(f"demo/clips/clip/{spoken['title_id']}.mp4"), 3, 10**6)
    assert (frames.size, len({picture.tobytes() for picture in frames.pictures})) == (clips.FRAME, 3)

    before = Path("demo/clips/world.json").stat().st_mtime_ns
    assert cli.main("featurize", featurize.__doc__, featurize.featurize, given) == 0
    assert Path("demo/clips/world.json").stat().st_mtime_ns == before
    new = "SELECT sum(to_do) FROM run_phase WHERE started_at = (SELECT max(started_at) FROM run_phase)"
    with duckdb.connect("store-clips/catalog.duckdb", read_only=True) as db:
        assert db.sql(new).fetchall() == [(0,)]

    quick = ["recommend.epochs=1", "recommend.seeds=1", 'recommend.models=["two_towers"]', "recommend.draws=100"]
    quick += ['recommend.splits=["rolling_days"]']
    flags = ["--profile", "clips", *(part for each in quick for part in ("--set", each))]
    assert cli.main("recommend", recommend.__doc__, recommend.recommend, flags) == 0
    told = capsys.readouterr().out
    for feature in ("description", "transcript", "sound", "clip", "title", "shuffled", "joined_vectors"):
        assert re.search(rf"^{feature} ", told, re.M), feature
    assert cli.main("prompts", prompts.__doc__, prompts.prompts, ["--profile", "clips"]) == 2
    assert "input.demo = clips has members and no impressions" in capsys.readouterr().err
