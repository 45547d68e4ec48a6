"""A share of pictures that fail, above a limit, stops a run before it commits; stray files in a folder do not."""

import duckdb
import numpy as np
import pytest
from PIL import Image

from jobs import cli, featurize
from tests import cases


def pictures(folder, bad, what, good=10):
    """A folder, and a manifest of it."""
    folder.mkdir()
    for number in range(good + bad):
        noise = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
        path = folder / f"{number:02}.png"
        Image.fromarray(noise).save(path)
        if number < bad:
            path.write_bytes(path.read_bytes()[:900] + bytes([number]) if what == "truncated" else b"<html>%d" % number)
    manifest = folder.parent / "manifest.csv"
    lines = [f"{path.stem},t,{path}" for path in sorted(folder.iterdir())]
    manifest.write_text("\n".join(["artwork_id,title_id,uri", *lines]))
    return manifest


def run(folder, artwork, *flags):
    given = {"input.artwork": artwork, "store": folder / "store", "run.executor": "local", "describe": "null"}
    arguments = [f"--set={name}={value}" for name, value in (given | {"embed": '{backend = "fake"}'}).items()]
    return cli.main("featurize", featurize.__doc__, featurize.featurize, [*arguments, *flags])


@pytest.mark.parametrize(
    ("what", "of_folder", "code"),
    cases.fast_first(
        [("truncated", False, 1), ("not_an_image", True, 0), ("not_an_image", False, 1), ("truncated", True, 1)], 1
    ),
)
def test_a_delivery_that_broke_off_stops_the_run(tmp_path, capsys, what, of_folder, code):
    folder = tmp_path / "artwork"
    manifest = pictures(folder, 21, what)
    assert run(tmp_path, folder if of_folder else manifest) == code
    told = capsys.readouterr().err
    if not code:
        assert "21" in _count(tmp_path, "quarantine")
        return
    assert f"21 of 31 pictures failed in phase 'embed', more than run.max_failed = 0.5 allows: {what} 21; for" in told
    assert not (tmp_path / "store/quarantine").exists()
    assert duckdb.sql(f"SELECT outcome FROM '{tmp_path}/store/run/**/*.parquet' ORDER BY 1").fetchall() == [
        ("failed",),
        ("started",),
    ]
    assert run(tmp_path, manifest, "--set=run.max_failed=0.9") == 0
    assert "21" in _count(tmp_path, "quarantine")


def _count(folder, table):
    return str(duckdb.sql(f"SELECT count(*) FROM '{folder}/store/{table}/**/*.parquet'").fetchall())
