"""A whole small world on disk: complete, the same every time, and never complete-looking when it is not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from featurize.demo import write_world
from featurize.demo.scenes import describe
from featurize.demo.titles import titles
from featurize.demo.world import SIZES, VERSION, Size
from featurize.errors import RefusedInput


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "world"
    write_world(folder)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def complete(folder: Path) -> bool:
    marker = folder / "world.json"
    return marker.is_file() and bool(json.loads(marker.read_text())["complete"])


def test_sizes(world: Path) -> None:
    rows = {path.name: pq.read_metadata(path).num_rows for path in world.glob("*.parquet")}
    assert rows["title.parquet"] == 60
    assert 220 <= rows["manifest.parquet"] <= 270
    assert 19_000 <= rows["history.parquet"] <= 22_500
    assert rows["impression.parquet"] == 3_000


@pytest.mark.slow
def test_every_artwork_is_a_picture_of_its_title(world: Path) -> None:
    rows = pq.read_table(world / "manifest.parquet").to_pylist()
    names = set(pq.read_table(world / "title.parquet")["title_id"].to_pylist())
    formats, shapes = set(), set()
    for row in rows:
        assert row["title_id"] in names
        with Image.open(world / row["uri"]) as image:
            image.load()
            formats.add(image.format)
            shapes.add(round(image.width / image.height, 1))
            assert image.mode == "RGB"
            assert 400 <= max(image.size) <= 900
    assert formats == {"JPEG", "PNG", "WEBP"}
    assert len(shapes) >= 5
    assert len({row["uri"] for row in rows}) == len(rows) == len(list((world / "artwork").rglob("*.*")))


def test_truth_is_what_was_drawn(world: Path) -> None:
    told = {row.pop("artwork_id"): row for row in pq.read_table(world / "truth/scene.parquet").to_pylist()}
    drawn = {artwork.artwork_id: artwork.scene for title in titles(60, 0) for artwork in title.artworks}
    assert told == {
        artwork_id: {**describe(scene), "depicts": list(scene.depicts)} for artwork_id, scene in drawn.items()
    }


def test_the_catalogue_says_who_is_cast_who_is_drawn_and_from_which_age(world: Path) -> None:
    casts = {row["title_id"]: row["cast"] for row in pq.read_table(world / "title.parquet").to_pylist()}
    told = {row["artwork_id"]: row for row in pq.read_table(world / "truth/scene.parquet").to_pylist()}
    ages: dict[str, set[int]] = {}
    for row in pq.read_table(world / "manifest.parquet").to_pylist():
        drawn = told[row["artwork_id"]]
        assert row["depicts"] == drawn["depicts"]
        assert len(row["depicts"]) <= drawn["people_count"]
        assert set(row["depicts"]) <= set(casts[row["title_id"]])
        ages.setdefault(drawn["theme"], set()).add(row["maturity"])
    assert set().union(*ages.values()) == {0, 7, 13, 16, 18}
    assert min(ages["horror"]) == 16
    assert max(ages["family"]) <= 7


def test_titles_mix_themes_and_artworks_stress_each(world: Path) -> None:
    told = {row["artwork_id"]: row["theme"] for row in pq.read_table(world / "truth/scene.parquet").to_pylist()}
    for title in titles(60, 0):
        assert 2 <= len(title.themes) <= 3
        assert 2 <= len(title.artworks) <= 8
        stressed = {told[artwork.artwork_id] for artwork in title.artworks}
        assert stressed <= set(title.themes)
        assert len(stressed) == min(len(title.themes), len(title.artworks))
    rows = pq.read_table(world / "title.parquet").to_pylist()
    assert len({row["name"] for row in rows}) == 60
    assert all(row["genres"] and row["synopsis"].endswith(".") for row in rows)


def test_a_larger_world_begins_with_the_same_titles() -> None:
    assert list(titles(20, 0)) == list(titles(40, 0))[:20]
    assert list(titles(20, 0)) != list(titles(20, 1))


_TINY = """
from pathlib import Path
from featurize.demo import world
world.SIZES["tiny"] = world.Size(titles=6, members=40, history_rows=10, impressions=100)
if __name__ == "__main__":
    world.write_world(Path("{folder}"), "tiny", 3)
"""


def make_tiny(folder: Path) -> subprocess.Popen[bytes]:
    script = folder.with_suffix(".py")
    script.write_text(_TINY.format(folder=folder))
    return subprocess.Popen([sys.executable, str(script)])


@pytest.mark.slow
def test_killed_at_any_moment_it_does_not_look_complete_and_the_next_run_makes_it_whole(tmp_path: Path) -> None:
    assert make_tiny(tmp_path / "calm").wait() == 0
    whole = digests(tmp_path / "calm")
    killed = tmp_path / "killed"
    for pictures in (1, 7, 14):
        process = make_tiny(killed)
        marker, seconds = killed / "world.json", time.monotonic() + 60
        while process.poll() is None and time.monotonic() < seconds:
            if marker.exists() and sum(1 for _, _, files in os.walk(killed / "artwork") for _ in files) >= pictures:
                break
        process.kill()
        assert process.wait() == -9
        assert not complete(killed)
        assert not (killed / "manifest.parquet").exists()
    assert make_tiny(killed).wait() == 0
    assert complete(killed)
    assert digests(killed) == whole


def test_a_complete_world_is_left_alone(world: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*")}
    write_world(world)
    assert {path: path.stat().st_mtime_ns for path in world.rglob("*")} == before


@pytest.mark.slow
def test_a_world_of_an_older_version_is_written_anew_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SIZES, "small", Size(titles=2, members=10, history_rows=10, impressions=10))
    stamp = {"version": VERSION - 1, "size": "small", "seed": 0, "complete": True}
    (tmp_path / "world.json").write_text(json.dumps(stamp))
    (tmp_path / "pair.parquet").write_bytes(b"of the older one")
    write_world(tmp_path)
    told = " ".join(capsys.readouterr().out.split())
    assert f"holds version {VERSION - 1} of the demo world; it is written anew as version {VERSION}" in told
    assert json.loads((tmp_path / "world.json").read_text()) == {**stamp, "version": VERSION}
    assert not (tmp_path / "pair.parquet").exists()
    write_world(tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["{}", "[]", "not JSON", '{"version": 2}'])
def test_a_world_json_of_somebody_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "world.json").write_text(text)
    (tmp_path / "history.parquet").write_bytes(b"precious")
    with pytest.raises(RefusedInput, match=r"world\.json is not that of a demo world"):
        write_world(tmp_path)
    assert (tmp_path / "history.parquet").read_bytes() == b"precious"


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(RefusedInput, match=r"world\.json"):
        write_world(tmp_path)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"precious"
