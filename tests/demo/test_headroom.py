"""There is much to win over the production policy, and the log is enough to learn half of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from featurize.demo import world
from featurize.demo.titles import titles
from featurize.demo.values import Values, values
from jobs import headroom


def values_of(folder: Path, size: world.Size) -> Values:
    world.write_tables(folder, list(titles(size.titles, 0)), size, 0)
    return values(folder)


def check(found: Values) -> None:
    assert 0.15 < found.random < 0.25
    assert found.random < found.production < found.greedy < found.oracle
    assert found.gap > 0.10
    assert found.learnt > 0.5


@pytest.mark.slow
def test_what_can_be_learnt_is_in_the_log(tmp_path: Path) -> None:
    check(values_of(tmp_path, world.Size(titles=150, members=3_000, history_rows=120, impressions=24_000)))


@pytest.mark.slow
def test_and_in_that_of_the_large_world(tmp_path: Path) -> None:
    found = values_of(tmp_path, world.SIZES["paper"])
    check(found)
    assert found.impressions == 34_500


def test_the_command_prints_a_short_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert headroom.main([]) == 0
    assert not list(tmp_path.iterdir())
    told = [line.split() for line in capsys.readouterr().out.splitlines() if not line.startswith("simulate")]
    assert [words[0] for words in told[:-1]] == ["random", "production", "greedy", "regression", "oracle"]
    found = [float(words[1]) for words in told[:-1]]
    assert found[0] < found[1] < found[2] < found[4]
    assert "900 impressions" in " ".join(told[-1])
    (tmp_path / "demo" / "small").mkdir(parents=True)
    (tmp_path / "demo" / "small" / "own.csv").write_text("mine")
    assert headroom.main(["small"]) == 2
    assert "holds no world.json" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["truth/reward", "truth/scene", "title", "history", "impression"])
def test_a_world_that_is_not_whole_is_refused_in_a_sentence_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "demo" / "small"
    folder.mkdir(parents=True)
    size = world.Size(titles=10, members=20, history_rows=20, impressions=60)
    world.write_tables(folder, list(titles(size.titles, 0)), size, 0)
    stamp = {"version": world.VERSION, "size": "small", "seed": 0, "complete": True}
    (folder / "world.json").write_text(json.dumps(stamp))
    path = folder / f"{name}.parquet"
    whole = path.read_bytes()
    for content, problem in ((whole[: len(whole) // 2], "cannot be read ("), (None, "is missing")):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        assert headroom.main([]) == 2
        (told,) = capsys.readouterr().err.splitlines()
        assert told.startswith(f"error: demo/small/{name}.parquet {problem}")
        assert told.endswith(": delete demo/small and make its world again")


@pytest.mark.slow
def test_an_interrupt_ends_it_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "demo" / "small").mkdir(parents=True)
    os.mkfifo(tmp_path / "demo" / "small" / "world.json")  # which it waits for
    command = [sys.executable, "-m", "jobs.headroom"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    job = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    with (tmp_path / "demo" / "small" / "world.json").open("w"):  # opens once it is read
        job.send_signal(signal.SIGINT)
        _, told = job.communicate(timeout=60)
    assert (job.returncode, told) == (1, "error: interrupted\n")
