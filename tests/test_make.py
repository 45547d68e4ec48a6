"""The front door: what `make` was given reaches the job as it was typed, or is refused."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from PIL import Image

from featurize import config
from featurize.errors import RefusedInput
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from jobs import cli, featurize, from_make, prompts

ROOT = Path(__file__).parents[1]
OURS = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
"""The environment without what the make that runs these tests tells the makes below it."""
ENVIRONMENT = {**OURS, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an environment that is ready, where the job would look for its files."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*words, **environment):
    return subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), "-o", ".venv/.ready", *words],
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def arguments_of(here, *words, **environment):
    """The command line that make gives a job: a stand-in for python prints what it would start."""
    program = "import json, os, sys; from jobs import from_make; "
    program += "print(json.dumps(from_make.arguments(sys.argv[3], os.environ)))"
    python = here / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-c", program])} "$@"\n')
    python.chmod(0o755)
    done = make(*words, f"PY={python}", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ODD = 'my $pics $(x) $$/it\'s "q" #1, {a} \\ `b` é %41'


@pytest.mark.parametrize("place", [ODD, "null", "2026", "true", "-x", "a=b", '"quoted"', "tab\there"])
def test_a_path_reaches_the_job_as_it_was_typed(here, place):
    given = [f"ARTWORK={place}", f"TITLES={place}", f"STORE={place}"]
    for words, environment in ((given, {}), ([], dict(word.split("=", 1) for word in given))):
        found = arguments_of(here, "featurize", *words, **environment)
        assert len(found) == 3
        settings = settings_of(found)
        assert (settings.input.artwork, settings.input.titles, settings.store) == (place, place, place)


def settings_of(found):
    return config.load("local", [flag.removeprefix("--set=") for flag in found if flag.startswith("--set=")])


def test_clean_leaves_the_store_and_stands_alone(here):
    for name in ("store", "demo"):
        (here / name).mkdir()
    beside = make("featurize", "clean")
    assert (beside.returncode, "clean stands alone" in beside.stderr, (here / "demo").exists()) == (2, True, True)
    assert make("clean").returncode == 0
    assert [path.name for path in here.iterdir()] == ["store"]


def test_every_input_of_the_prompts_has_its_variable(here):
    words = [f"{name}={ODD}" for name in ("TITLES", "HISTORY", "IMPRESSIONS", "PAIRS")]
    given = settings_of(arguments_of(here, "prompts", *words)).input
    assert (given.titles, given.history, given.impressions, given.pairs) == (ODD, ODD, ODD, ODD)
    for who in (ODD, "2026", "null"):
        assert settings_of(arguments_of(here, "prompts", f"SHOW={who}")).prompts.show == who


@pytest.mark.slow
def test_what_belongs_together_is_told_as_setting_and_variable(here):
    (here / "pictures").mkdir()
    Image.new("RGB", (9, 9), "red").save(here / "pictures" / "a.png")
    small = "SET=embed=null describe.backend=fake run.executor=local"
    assert make("featurize", "ARTWORK=pictures", small).returncode == 0
    for words, told in (
        (["TITLES=t.csv"], "input.history (HISTORY=) is not set, and others are"),
        (
            ["TITLES=t.csv", "HISTORY=h.csv", "SET=prompts.kind=nightly"],
            "nightly prompts need input.pairs (PAIRS=), or prompts.active_days",
        ),
    ):
        done = make("prompts", *words)
        assert done.returncode == 2
        assert told in done.stderr


def test_set_holds_several_settings(here):
    written = """prompts.rank=["t1", "t 2"] labels='my labels' store="a b"  input.titles=it's null=x run.threads=4"""
    found = arguments_of(here, "prompts", f"SET={written}", "RUN_ID=a.b:c+d", "PROFILE=gpu", "DRY_RUN=1")
    assert found == [
        "--profile=gpu",
        '--set=prompts.rank=["t1", "t 2"]',
        "--set=labels='my labels'",
        '--set=store="a b"',
        "--set=input.titles=it's",
        "--set=null=x",
        "--set=run.threads=4",
        "--run-id=a.b:c+d",
        "--dry-run",
    ]
    with pytest.raises(RefusedInput, match="a quote or bracket"):
        from_make.settings('store="a b run.threads=4')


def test_other_targets_get_theirs(here):
    question = "SELECT \"a\", '$x' -- #1, $(y)"
    assert arguments_of(here, "sql", "STORE=s 1", f"ASK={question}") == ['--set=store="s 1"', f"-c{question}"]
    given = ["STORE=s 1", "LIKE=-my 'art'.jpg", "TOP=3", f"HTML={ODD}", "SET=a.b=1", "PROFILE=gpu"]
    found = ["--profile=gpu", '--set=store="s 1"', "--set=a.b=1", "--like=-my 'art'.jpg", "--top=3", f"--html={ODD}"]
    assert arguments_of(here, "find", *given) == found
    assert arguments_of(here, "find", 'TEXT=two $people at "sunset" #1') == ['--text=two $people at "sunset" #1']
    assert arguments_of(here, "headroom", "DEMO=paper") == ["paper"]
    assert arguments_of(here, "headroom") == []
    assert arguments_of(here, "bench", "ONLY=planning no_op", "ARTWORK=a b", "SET=a.b=1 c=2") == [
        "--artwork=a b",
        "--only=planning",
        "--only=no_op",
        "--set=a.b=1",
        "--set=c=2",
    ]


@pytest.mark.parametrize("value", ["0", "no", "false", ""])
def test_a_dry_run_is_one_when_it_says_so(here, value):
    assert arguments_of(here, "featurize", f"DRY_RUN={value}") == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["featurize", "ARTWORKS=pictures"], "featurize knows no variable ARTWORKS; it knows ARTWORK"),
        (["featurize", "artwork=pictures"], "featurize knows no variable artwork"),
        (["featurize", "prompts", "ASK=x"], "knows no variable ASK"),
        (
            ["prompts", "ARTWORK=x"],
            "prompts knows no variable ARTWORK; it knows DEMO DRY_RUN HISTORY IMPRESSIONS PAIRS",
        ),
        (["featurize", "PAIRS=x"], "featurize knows no variable PAIRS; it knows ARTWORK"),
        (["prompts", "PAIRS="], "error: PAIRS is given and empty"),
        (["prompts", "SHOW="], "error: SHOW is given and empty"),
        (["featurize", "SHOW=x"], "featurize knows no variable SHOW"),
        (["find"], 'error: say what to find: TEXT="two people at sunset", or LIKE='),
        (["find", "TEXT=a", "LIKE=b"], "error: TEXT and LIKE are both given: it is one or the other"),
        (["find", "TEXT= "], "error: TEXT is given and empty"),
        (["find", "TEXT=a", "DEMO=small"], "find knows no variable DEMO; it knows HTML LIKE PROFILE"),
        (["posttrain", "ARTWORK=x"], "posttrain knows no variable ARTWORK; it knows DEMO DRY_RUN HISTORY PROFILE"),
        (["sql", "ARTWORK=x"], "sql knows no variable ARTWORK; it knows ASK PROFILE STORE"),
        (["test", "STORE=x"], "test knows no variable STORE; it knows none"),
        (["ARTWORK=pictures"], "help knows no variable ARTWORK"),
        (["featurize", "ARTWORK="], "error: ARTWORK is given and empty"),
        (["prompts", "STORE="], "error: STORE is given and empty"),
        (["featurize", "DRY_RUN=maybe"], "error: DRY_RUN=maybe"),
    ],
)
def test_a_variable_that_means_nothing_is_refused_and_nothing_is_made(here, words, told):
    done = make(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(os.listdir(here)) == [".venv"]


def test_a_whole_run_in_a_folder_with_an_odd_name(here):
    pictures = here / ODD
    pictures.mkdir(parents=True)
    Image.new("RGB", (9, 9), "red").save(pictures / "a.png")
    small = "embed=null describe=null run.executor=local"
    done = make("featurize", f"ARTWORK={ODD}", "STORE=my $store", f"SET={small}", "RUN_ID=first")
    assert done.returncode == 0, done.stderr
    rows = duckdb.sql("SELECT uri, run_id FROM 'my $store/artwork/**/*.parquet'").fetchall()
    assert rows == [(f"{pictures}/a.png", "first")]


@pytest.mark.slow
def test_the_exit_code_of_a_held_lease_is_told(here):
    """3 from the job; make has a code of its own, 2, and names the job's."""
    (here / "pictures").mkdir()
    Image.new("RGB", (9, 9), "red").save(here / "pictures" / "a.png")
    with Lease(Store("store"), "featurize", "r"):
        done = make("featurize", "ARTWORK=pictures")
        assert done.returncode == 2
        assert "Error 3" in done.stderr
        assert "run r " in done.stderr
        flags = ["--set", "input.artwork=pictures"]
        assert cli.main("featurize", "doc", featurize.featurize, flags) == 3


@pytest.mark.parametrize(
    "run_id", ["../../evil", "/evil", "a/b", "a\\b", ".x", "a b", "", "a\nb", "x" * 201, "*", "a=b"]
)
def test_a_run_id_with_parts_of_a_path_is_refused(here, run_id, capsys):
    code = cli.main("featurize", "doc", featurize.featurize, ["--run-id", run_id, "--set", "embed=null"])
    assert code == 2
    assert "is refused: it must begin with a letter" in capsys.readouterr().err
    assert sorted(os.listdir(here)) == [".venv"]


def test_a_run_id_that_is_taken_is_refused(here, capsys):
    (here / "pictures").mkdir()
    Image.new("RGB", (9, 9), "red").save(here / "pictures" / "a.png")
    flags = ["--set", "input.artwork=pictures", "--set", "embed=null", "--set", "describe=null"]
    scheduled = "scheduled__2026-11-28T00:00:00+00:00"
    assert cli.main("featurize", "doc", featurize.featurize, [*flags, "--run-id", scheduled]) == 0
    assert cli.main("featurize", "doc", featurize.featurize, [*flags, "--run-id", scheduled]) == 2
    assert f"run id '{scheduled}' is taken in" in capsys.readouterr().err
    assert not (here / "store" / "_lease" / "featurize.json").exists()
    assert duckdb.sql("SELECT run_id, outcome FROM 'store/run/**/*.parquet' WHERE outcome <> 'started'").fetchall() == [
        (scheduled, "done")
    ]


def test_a_model_key_is_no_path(here, capsys):
    flags = ["--set", "prompts.descriptions=../artwork"]
    assert cli.main("prompts", "doc", prompts.prompts, flags) == 2
    assert "prompts.descriptions: a model key is wanted, as in table model, and no path" in capsys.readouterr().err
    assert sorted(os.listdir(here)) == [".venv"]
