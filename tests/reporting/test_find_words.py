"""A search by text where the store has vectors of descriptions, too: both spaces count, and the answer says which."""

import hashlib

import numpy as np
import pytest

from featurize.demo.render import render
from featurize.demo.scenes import sample_scene
from featurize.storage.store import Store
from jobs import cli, featurize, find
from tests.storage.views import stores

SCENES = {"forest": 0, "spaceship": 1, "snow": 4}
BUNDLED = 'text={backend="open_clip_text", model="bundled:clip"}'


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "art").mkdir()
    for name, seed in SCENES.items():
        scene = sample_scene(np.random.Generator(np.random.PCG64(seed)))
        render(scene, 320).save(tmp_path / "art" / f"{name}.png")
    return tmp_path


def job(*settings):
    sets = ["input.artwork=art", "describe=null", "run.executor=local", "near_duplicate=null", *settings]
    assert cli.main("featurize", "-", featurize.featurize, [f"--set={each}" for each in sets]) == 0


def found(capsys, *words):
    capsys.readouterr()
    code = find.main(words)
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.mark.slow
def test_pictures_and_descriptions_both_count_and_either_alone_will_do(here, capsys):
    job(BUNDLED)
    code, told = found(capsys, "--text", "a spaceship")
    assert code == 0
    assert "of pictures by open_clip_image-" in told
    assert "descriptions" not in told
    # Words that say of the snowfield what its picture does not show.
    sha = hashlib.sha256((here / "art" / "snow.png").read_bytes()).hexdigest()
    stores.model(Store("store"), "words", 1)
    stores.describe(Store("store"), "words", {sha: "a dragon at a castle"})
    job(BUNDLED)
    code, told = found(capsys, "--text", "a dragon at a castle", "--html", "page.html")
    assert code == 0
    assert "of pictures by open_clip_image-" in told
    assert "and of descriptions by open_clip_text-" in told
    first = next(line for line in told.splitlines() if line.lstrip().startswith("1 "))
    heading = next(line for line in told.splitlines() if line.lstrip().startswith("picture "))
    assert heading.split()[:4] == ["picture", "words", "artwork", "title"]
    assert first[heading.index("words") + 5 :].startswith("  ")
    assert len(first[: heading.index("words") + 5].split()) == 3
    assert "snow.png" in first
    assert "1.000" in first
    assert "of descriptions by" in (here / "page.html").read_text(encoding="utf-8")
    code, told = found(capsys, "--text", "a castle", "--set", "text=null")
    assert code == 2
    assert "section text names no model" in told
