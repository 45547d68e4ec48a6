"""A store is of one demo world or of somebody's own data: their ids may be the same, and mean something else."""

import json

import pytest
from PIL import Image

from featurize import config
from featurize.intake import whose
from featurize.storage.store import Store
from jobs import cli, featurize, recommend

QUICK = ("describe=null", "embed=null", "text=null", "run.executor=local")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the demo world lies, a small one, and pictures of somebody's own."""
    monkeypatch.chdir(tmp_path)
    for place, size in (("demo/small", "small"), ("demo/paper", "paper"), ("mine", None)):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGB", (9, 9), (len(place), 50, 70)).save(tmp_path / place / "t1-0.png")
        if size:
            about = {"version": 2, "size": size, "seed": 0, "complete": True}
            (tmp_path / place / "world.json").write_text(json.dumps(about), encoding="utf-8")
    return tmp_path


def run(*settings, job="featurize", store="store"):
    module = {"featurize": featurize, "recommend": recommend}[job]
    given = [f"--set={each}" for each in (*QUICK, f"store={store}", *settings)]
    return cli.main(job, module.__doc__, getattr(module, job), given)


def test_own_data_does_not_go_into_a_store_of_the_demo_world(folder, capsys):
    assert run("input.artwork=demo/small") == 0  # its own files, whoever names them
    assert whose.of_store(Store("store")) == {"small"}
    assert run("input.artwork=mine") == 2
    assert (
        f"{folder}/store holds the demo world small; your own data needs a store of its own" in capsys.readouterr().err
    )
    assert run("input.demo=paper") == 2
    assert "the demo world paper is meant" in capsys.readouterr().err
    assert run("input.artwork=mine", store="another") == 0


def test_who_forgets_to_name_files_does_not_get_the_demo_world_among_their_own(folder, capsys):
    assert run("input.artwork=mine") == 0
    before = list(Store("store").parts("artwork"))
    for job in ("featurize", "recommend"):
        capsys.readouterr()
        assert run(job=job) == 2
        assert capsys.readouterr().err == (
            f"error: {folder}/store holds data of your own; with no files given, the demo world small is meant: "
            "name your files, or another store (STORE=)\n"
        )
    assert list(Store("store").parts("artwork")) == before
    assert run("input.artwork=mine") == 0


def test_the_demo_world_of_a_store_is_known_without_being_named(folder):
    given = config.load("local").input
    assert whose.only_demo(Store("store"), given).parts == ("demo", "small")  # nothing is there yet
    assert run("input.artwork=demo/paper") == 0
    assert whose.only_demo(Store("store"), given).parts == ("demo", "paper")
    assert run("input.artwork=mine", store="another") == 0
    assert whose.only_demo(Store("another"), given) is None
