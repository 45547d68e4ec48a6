"""The table for embedding-atlas: a row for each artwork that has a vector, with what is near to it and how it looks."""

import io
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from featurize import config
from featurize.reporting import atlas
from jobs import atlas as job
from jobs import cli
from tests.reporting import stores


def made(store, file, **more):
    """The rows of the table, and what is told."""
    found = atlas.Atlas(config.load("local", [f"store={store.uri}", f"report.atlas={file}", *more.values()]), False)
    for step in (found.look, found.draw, found.write):
        step()
    return pq.read_table(file).to_pylist(), found.summary()


def test_each_artwork_has_its_picture_words_place_and_neighbours(tmp_path, monkeypatch, capsys):
    store, known = stores.full(tmp_path)
    Path(known[3]["uri"]).write_bytes(b"no longer the picture that the rows are about")
    rows, told = made(store, tmp_path / "atlas.parquet")
    assert [row["artwork_id"] for row in rows] == sorted(each["artwork_id"] for each in known)
    assert "15 artworks" in told
    assert "1 pictures have no thumbnail" in told
    by_id = {row["artwork_id"]: row for row in rows}
    assert by_id["t1-0"].items() >= {"title": "The Last Heart", "caption": "Two people at sunset, number 3."}.items()
    assert (by_id["t4-0"]["caption"], by_id["t4-0"]["title"]) == (stores.HOSTILE, stores.HOSTILE)
    assert by_id["t1-0"]["tag mood"] == "calm"
    assert by_id["t1-0"]["image"] is None
    picture = Image.open(io.BytesIO(by_id["t0-1"]["image"]["bytes"]))
    assert (picture.format, picture.size) == ("JPEG", (300, 200))
    assert all(0 <= row[axis] <= 1 for row in rows for axis in "xy")
    vectors = {
        row["image_sha256"]: row["embedding"]
        for path in (tmp_path / "store/image_embedding").rglob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    unit = np.array([vectors[row["image_sha256"]] for row in sorted(known, key=lambda row: row["artwork_id"])])
    for number, row in enumerate(rows):
        distances = 1 - unit @ unit[number]
        expected = [each for each in np.argsort(distances, kind="stable") if each != number][:12]
        assert row["neighbors"]["ids"] == expected
        assert row["neighbors"]["distances"] == pytest.approx(distances[expected].clip(0), abs=1e-6)
    monkeypatch.setattr(atlas, "STARTER", Path(sys.executable).with_name("no such program"))
    given = [f"--set=store={store.uri}", f"--set=report.atlas={tmp_path}/again.parquet"]
    assert cli.main("atlas", "doc", job.atlas, given) == 1
    assert "error: embedding-atlas is not installed here; elsewhere: embedding-atlas " in capsys.readouterr().err
    assert pq.read_table(tmp_path / "again.parquet").num_rows == 15


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("report.atlas=map.csv", "report.atlas: map.csv does not end in .parquet"),
        ("report.atlas=map.parquet", "has 0 artworks with embeddings, and a map is made of 3 or more"),
    ],
)
def test_what_makes_no_map_is_refused_in_a_sentence(tmp_path, capsys, setting, said):
    store, _ = stores.bare(tmp_path, titles=1)
    assert cli.main("atlas", "doc", job.atlas, [f"--set=store={store.uri}", f"--set={setting}"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
