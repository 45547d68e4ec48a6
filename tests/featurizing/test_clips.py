"""Videos and sound of a catalogue as a person featurizes them: what is listed, described and refused."""

import json
import shutil
import tempfile
from pathlib import Path

import duckdb
import pytest
from clips import WORDS, cut, film, needs_ffmpeg, noise
from PIL import Image

from featurize.storage.store import Store
from jobs import cli, featurize

FAKE = {
    "run.executor": "local",
    "embed.backend": "fake",
    "describe": "null",
    "text": "null",
    "near_duplicate": "null",
    "store": "store",
}
CLIPS = FAKE | {"describe_clips.backend": "fake_clip"}


def job(artwork, settings=CLIPS, *arguments, **more):
    chosen = settings | {"input.artwork": artwork} | {key.replace("__", "."): value for key, value in more.items()}
    given = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
    return cli.main("featurize", featurize.__doc__, featurize.featurize, [*given, *arguments])


def rows(table, columns="*", order="ALL"):
    if not list(Path("store", table).rglob("*.parquet")):
        return []
    return duckdb.sql(f"SELECT {columns} FROM 'store/{table}/**/*.parquet' ORDER BY {order}").fetchall()


def counts():
    """Of the newest run: what it found, and what each phase computed."""
    ended = "SELECT counts FROM 'store/run/**/*.parquet' WHERE outcome <> 'started' ORDER BY started_at DESC LIMIT 1"
    ((told,),) = duckdb.sql(ended).fetchall()
    found = json.loads(told)
    return found, {phase["name"]: phase["done"] for phase in found["phases"]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "artwork"
    (place / "a title").mkdir(parents=True)
    Image.new("RGB", (30, 20), (9, 99, 200)).save(place / "a title" / "poster.png")
    return place


@needs_ffmpeg
def test_clips_are_hashed_decoded_and_described_and_a_rerun_does_only_what_is_new(folder, capsys):
    film(folder / "a title" / "trailer.mp4", ("red", "lime", "blue", "white"))
    manifest = folder / "list.csv"
    listed = "artwork_id,title_id,uri,kind\np,t,a title/poster.png,poster\nv,t,a title/trailer.mp4,trailer\n"
    manifest.write_text(listed)
    assert job(manifest) == 0
    assert "distinct pictures 1, distinct clips 1, of these sound alone 0" in " ".join(capsys.readouterr().out.split())
    assert rows("artwork", "artwork_id, format") == [("p", "PNG")]
    assert rows("clip", "clip_id, title_id, kind, format, present") == [("v", "t", "trailer", "MP4", True)]
    ((words, times, seconds, size, key, sha),) = rows(
        "clip_description", "description, frame_times, seconds, (width, height), model_key, clip_sha256"
    )
    assert words.split() == [WORDS[name] for name in ("red", "lime", "blue", "white")]
    assert times == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.03)
    assert (seconds, size) == (pytest.approx(4, abs=0.1), (64, 48))
    assert rows("clip", "clip_sha256") == [(sha,)]
    assert rows("model", "fingerprint->>'frames'").count(("4",)) == 1
    assert key in {each for (each,) in rows("model", "model_key")}

    film(folder / "other.mp4", ("blue",))
    shutil.copy(folder / "a title" / "trailer.mp4", folder / "copy.mp4")
    manifest.write_text(f"{listed}w,u,other.mp4,\nx,u,copy.mp4,\n")
    assert job(manifest) == 0
    found, done = counts()
    assert (found["files read"], found["new or changed"], done) == (2, 2, {"embed": 0, "clips": 1})

    assert job(manifest) == 0
    found, done = counts()
    assert (found["files read"], found["new or changed"], done) == (0, 0, {"embed": 0, "clips": 0})
    assert len(rows("clip_description")) == 2


def test_a_catalogue_of_pictures_leaves_no_trace_of_clips_and_asks_for_no_ffmpeg(folder, capsys):
    assert job(folder, clips__ffmpeg="no-such-command") == 0
    assert "clip" not in capsys.readouterr().out.replace("fake_clip", "").replace("clips-", "")
    assert sorted(path.name for path in Path("store").iterdir() if path.is_dir()) == [
        "_lease", "artwork", "image_embedding", "model", "production", "run",
    ]  # fmt: skip
    assert counts()[1] == {"embed": 1}


def test_without_ffmpeg_a_catalogue_with_clips_is_refused_in_one_sentence_and_listed_where_no_model_wants_them(
    folder, capsys
):
    (folder / "trailer.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp42")
    assert job(folder, clips__ffprobe="no-such-command") == 2
    said = capsys.readouterr()
    assert "error: the catalogue has clips and clips.ffprobe = 'no-such-command' is not found: install it" in (
        said.out + said.err
    )
    assert rows("image_embedding") == []
    assert job(folder, FAKE) == 0
    assert "no model is set for the clips" in " ".join(capsys.readouterr().out.split())
    assert rows("clip", "clip_id, format") == [("trailer.mp4", "MP4")]
    assert rows("quarantine") == []


@needs_ffmpeg
@pytest.mark.slow
def test_the_catalog_shows_present_clips_with_their_words_or_why_there_are_none(folder):
    film(folder / "a title" / "trailer.mp4", ("red",))
    noise(folder / "a title" / "song.m4a")
    (folder / "words.mp4").write_bytes(b"these are words")
    cut(folder / "a title" / "trailer.mp4", folder / "cut.mp4")
    assert job(folder) == 0
    asked = "SELECT clip_id, title_id, description, refused FROM clip_features ORDER BY clip_id"

    def shown():
        with duckdb.connect("store/catalog.duckdb", read_only=True) as db:
            return db.execute(asked).fetchall()

    told = [
        ("a title/song.m4a", "a title", None, None),
        ("a title/trailer.mp4", "a title", " ".join([WORDS["red"]] * 4), None),
        ("cut.mp4", "cut", None, ["truncated"]),
        ("words.mp4", "words", None, ["not_a_clip"]),
    ]
    assert shown() == told
    with duckdb.connect("store/catalog.duckdb", read_only=True) as db:
        covered = "SELECT pictures, done, failed, quarantined, pending FROM coverage WHERE feature = 'clip_description'"
        assert db.execute(covered).fetchall() == [(3, 1, 0, 2, 0)]  # the song has no frames to describe
        pictures = "SELECT pictures, done, quarantined FROM coverage WHERE feature = 'image_embedding'"
        assert db.execute(pictures).fetchall() == [(1, 1, 0)]
        left = "SELECT artwork_ids, reason, lacks FROM quarantine_open ORDER BY ALL"
        assert db.execute(left).fetchall() == [
            (["cut.mp4"], "truncated", ["clip_description"]),
            (["words.mp4"], "not_a_clip", ["clip_description"]),
        ]
    # Another model takes over once it has done what the first one had.
    assert job(folder, describe_clips__frames=2) == 0
    assert [row[2] for row in shown()] == [None, " ".join([WORDS["red"]] * 2), None, None]
    (folder / "cut.mp4").unlink()
    Image.new("RGB", (9, 9)).save(folder / "words.png")
    (folder / "words.png").rename(folder / "words.mp4")  # a picture now, whatever it is called
    assert job(folder, describe_clips__frames=2) == 0
    assert [row[0] for row in shown()] == ["a title/song.m4a", "a title/trailer.mp4"]
    assert sorted(id for (id,) in rows("artwork", "artwork_id")) == ["a title/poster.png", "words.mp4"]


@needs_ffmpeg
@pytest.mark.slow
def test_a_video_that_an_older_version_took_for_a_picture_becomes_a_clip(folder, monkeypatch):
    """A store from before there were clips has it in `artwork`, without a format, and in quarantine."""
    film(folder / "trailer.mp4", ("red",))
    with monkeypatch.context() as before:
        before.setattr("featurize.media.formats.ENDINGS", ("no clip",))
        before.setattr("featurize.media.formats.sniff", lambda head: None)
        before.setattr("featurize.intake.catalogue.CLIP_NAMES", "no clip$")
        assert job(folder, FAKE) == 0
    assert [row for row in rows("artwork", "artwork_id, format") if row[1] is None] == [("trailer.mp4", None)]
    assert rows("quarantine", "reason") == [("not_an_image",)]
    for read in (1, 0):
        assert job(folder) == 0
        assert counts()[0]["files read"] == read
    assert rows("clip", "clip_id, format") == [("trailer.mp4", "MP4")]
    newest = "QUALIFY row_number() OVER (PARTITION BY artwork_id ORDER BY seen_at DESC) = 1"
    assert duckdb.sql(
        f"SELECT artwork_id, present FROM 'store/artwork/**/*.parquet' {newest} ORDER BY ALL"
    ).fetchall() == [
        ("a title/poster.png", True),
        ("trailer.mp4", False),
    ]


@needs_ffmpeg
@pytest.mark.slow
def test_clips_in_an_object_store_are_fetched_to_be_decoded(folder, s3_bucket, tmp_path):
    film(tmp_path / "film.mp4", ("red",))
    Store(f"s3://{s3_bucket}").write("films/a title/film.mp4", (tmp_path / "film.mp4").read_bytes())
    before = set(Path(tempfile.gettempdir()).glob("clip-*"))
    assert job(f"s3://{s3_bucket}/films") == 0
    assert rows("clip", "clip_id, format") == [("a title/film.mp4", "MP4")]
    assert rows("clip_description", "description") == [(" ".join([WORDS["red"]] * 4),)]
    assert set(Path(tempfile.gettempdir()).glob("clip-*")) <= before


@needs_ffmpeg
@pytest.mark.slow
def test_limits_of_clips_are_their_own_and_others_try_again(folder):
    film(folder / "trailer.mp4", ("red", "lime"))
    size = (folder / "trailer.mp4").stat().st_size
    assert job(folder, limits__max_bytes=size - 1) == 0
    assert len(rows("clip_description")) == 1
    shutil.rmtree("store")
    assert job(folder, clips__max_bytes=size - 1) == 0
    assert rows("quarantine", "reason") == [("too_many_bytes",)]
    assert job(folder, clips__max_seconds=1) == 0
    assert rows("quarantine", "reason") == [("too_long",), ("too_many_bytes",)]
    assert job(folder, clips__max_seconds=1) == 0
    assert counts()[1]["clips"] == 0
    assert job(folder) == 0
    assert len(rows("clip_description")) == 1
