"""A folder that is no store is left as it is, by every job that needs one."""

import pytest

from jobs import cli, compact, evaluate, posttrain, prompts, rank, recommend, vacuum


@pytest.mark.parametrize("job", [prompts, posttrain, rank, evaluate, recommend, compact, vacuum])
def test_a_folder_of_other_things_is_no_store(tmp_path, monkeypatch, capsys, job):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.txt").write_text("mine")
    name = job.__name__.rpartition(".")[2]
    assert cli.main(name, job.__doc__, getattr(job, name), ["--set", "store=pictures"]) == 2
    assert f"{tmp_path}/pictures" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "pictures").rglob("*")] == ["a.txt"]
