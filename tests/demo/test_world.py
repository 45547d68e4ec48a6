"""A whole small world on disk: complete, the same every time, and never complete-looking when it is not."""

from __future__ import annotations

import hashlib
import json
import signal
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
    assert told == {artwork_id: describe(scene) for artwork_id, scene in drawn.items()}


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


def test_killed_halfway_it_does_not_look_complete_and_the_next_run_makes_it_whole(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    program = f"from pathlib import Path; from featurize.demo import write_world; write_world(Path({str(folder)!r}))"
    main = f"if __name__ == '__main__':\n    {program}"
    script = tmp_path / "make.py"
    script.write_text(main)
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    while process.poll() is None and len(list(folder.rglob("*.jpg"))) < 20:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not complete(folder)
    assert not (folder / "manifest.parquet").exists()
    write_world(folder)
    assert complete(folder)
    assert digests(folder) == digests(world)


def test_a_complete_world_is_left_alone(world: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*")}
    write_world(world)
    assert {path: path.stat().st_mtime_ns for path in world.rglob("*")} == before


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(RefusedInput, match=r"world\.json"):
        write_world(tmp_path)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"precious"
