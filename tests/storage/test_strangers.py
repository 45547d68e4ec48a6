"""A folder that is no store is left as it is, by every job that needs one."""

import pytest
from PIL import Image

from jobs import cli, compact, evaluate, featurize, posttrain, prompts, rank, recommend, vacuum


@pytest.mark.parametrize("job", [prompts, posttrain, rank, evaluate, recommend, compact, vacuum])
def test_a_folder_of_other_things_is_no_store(tmp_path, monkeypatch, capsys, job):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.txt").write_text("mine")
    name = job.__name__.rpartition(".")[2]
    assert cli.main(name, job.__doc__, getattr(job, name), ["--set", "store=pictures"]) == 2
    assert f"{tmp_path}/pictures" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "pictures").rglob("*")] == ["a.txt"]


@pytest.mark.parametrize("left", [0, 200])
def test_a_part_that_is_cut_is_named(tmp_path, monkeypatch, capsys, left):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (9, 9), "red").save(tmp_path / "pictures/a.png")
    settings = ["store=store", "input.artwork=pictures", "run.executor=local", "describe=null", "text=null"]
    given = [f"--set={each}" for each in (*settings, 'embed={backend = "fake"}')]
    assert cli.main("featurize", featurize.__doc__, featurize.featurize, given) == 0
    (part,) = (tmp_path / "store/artwork").rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:left])
    capsys.readouterr()
    assert cli.main("featurize", featurize.__doc__, featurize.featurize, given) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert part.name in told
    assert len(told.splitlines()) == 1
