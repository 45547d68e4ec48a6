"""A store is of one demo world or of somebody's own data: their ids may be the same, and mean something else."""

import json
import shutil

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


def test_own_titles_do_not_make_the_demo_worlds_artwork_ones_own(folder, capsys):
    (folder / "titles.csv").write_text("title_id,name\nt1,One\n")
    assert run("input.titles=titles.csv") == 2
    told = "error: input.artwork (ARTWORK=) is not set, which means the demo world small, and other files are your own"
    assert capsys.readouterr().err.startswith(told)
    assert not (folder / "store").exists()


def test_what_a_refused_run_left_is_somebodys_own_too(folder, capsys):
    assert run("input.artwork=mine") == 0
    for part in (folder / "store/run").rglob("*.parquet"):
        part.unlink()  # as of a run that was killed
    assert whose.of_store(Store("store")) == {"own"}
    assert run() == 2
    assert "holds data of your own" in capsys.readouterr().err


def test_a_demo_folder_that_is_gone_is_still_known_by_its_name(folder):
    assert run("input.artwork=demo/small") == 0
    shutil.rmtree(folder / "demo")
    assert whose.of_store(Store("store")) == {"small"}


def test_the_demo_world_of_a_store_is_known_without_being_named(folder):
    given = config.load("local").input
    assert whose.only_demo(Store("store"), given).parts == ("demo", "small")  # nothing is there yet
    assert run("input.artwork=demo/paper") == 0
    assert whose.only_demo(Store("store"), given).parts == ("demo", "paper")
    assert run("input.artwork=mine", store="another") == 0
    assert whose.only_demo(Store("another"), given) is None
