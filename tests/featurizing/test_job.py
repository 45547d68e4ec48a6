"""The job as a person starts it: exit codes, sentences, the dry run and the rerun, with the real small models."""

import json
import re
import subprocess
import sys

import duckdb
import pytest
from PIL import Image

from featurize.report import WIDTH
from jobs import cli, featurize

LOCAL = ["--set", "run.executor=local"]


def job(*arguments):
    return cli.main("featurize", featurize.__doc__, featurize.featurize, [*LOCAL, *arguments])


@pytest.fixture
def folders(tmp_path, monkeypatch):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(5):
        Image.new("RGB", (300, 200 + number), (50 * number, 99, 200)).save(pictures / f"{number}.jpg")
    (pictures / "broken.jpg").write_bytes((pictures / "0.jpg").read_bytes()[:600])
    monkeypatch.chdir(tmp_path)
    return ["--set", "input.artwork=pictures", "--set", "store=store", "--set", "describe.max_new_tokens=8"]


def count(table, what="*"):
    return duckdb.sql(f"SELECT count({what}) FROM 'store/{table}/**/*.parquet'").fetchall()[0][0]


def test_from_a_folder_to_every_table_and_again_for_nothing(folders, capsys):
    assert job(*folders, "--run-id", "first") == 0
    told = capsys.readouterr().out
    assert "artworks found 6, files read 6" in told
    assert "quarantined: truncated 1" in told
    note = "note: the bundled models know the demo's drawings; elsewhere their words and numbers mean nothing"
    assert note in " ".join(told.split())
    assert count("artwork") == 6
    assert count("image_embedding") == count("description") == count("image_tag", "DISTINCT image_sha256") == 5
    assert count("quarantine") == 1
    assert count("model") == 6
    assert count("near_picture") == 5
    assert max(map(len, told.replace(sys.executable, "python").splitlines())) <= WIDTH
    example = re.search(r"try: ((?:.*\\\n)*.*)", told)[1]
    shown = subprocess.run(example, shell=True, capture_output=True, text=True, check=True)
    assert "caption" in shown.stdout
    assert "broken.jpg" in shown.stdout

    before = {table: count(table) for table in ("artwork", "image_embedding", "image_tag", "description", "quarantine")}
    assert job(*folders, "--run-id", "second") == 0
    assert {table: count(table) for table in before} == before
    runs = duckdb.sql(
        "SELECT run_id, outcome, counts FROM 'store/run/**/*.parquet' WHERE outcome <> 'started' ORDER BY started_at"
    ).fetchall()
    assert [(run_id, outcome) for run_id, outcome, _ in runs] == [("first", "done"), ("second", "done")]
    assert [sum(phase["new"] for phase in json.loads(counts)["phases"]) for _, _, counts in runs][1] == 0


def test_a_dry_run_says_what_is_new_and_writes_nothing(folders, tmp_path, capsys):
    assert job(*folders, "--dry-run") == 0
    told = capsys.readouterr().out
    assert re.search(r"embed +6 ", told)
    assert re.search(r"embed +open_clip_image-\w+\n", told)
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_a_new_prompt_or_label_file_recomputes_what_depends_on_it(folders, tmp_path):
    assert job(*folders) == 0
    (tmp_path / "labels.toml").write_text("[people]\nnone = ['nobody', 'an empty place']\nsome = ['people']\n")
    (tmp_path / "prompt.txt").write_text("What do you see? Answer in JSON.")
    assert job(*folders, "--set", "labels=labels.toml", "--set", "describe.prompt=prompt.txt") == 0
    assert count("image_embedding") == 5
    assert count("description") == 10
    assert count("description", "DISTINCT model_key") == count("image_tag", "DISTINCT model_key") == 2
    assert count("text_embedding", "DISTINCT model_key") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--profile", "laptop"], 2, "profile 'laptop' is unknown"),
        (["--set", "run.nothing=1"], 2, "run.nothing: no such setting"),
        (["--set", "input.artwork=nowhere"], 2, "'nowhere' is neither a folder nor a manifest"),
        (["--set", "embed.model=no/such/folder"], 2, "no/such/folder"),
        (["--set", "labels=nothing"], 2, "label file 'nothing'"),
        (["--set", "describe.prompt=nothing"], 2, "caption prompt 'nothing'"),
        (["--set", "embed.device=cuda"], 2, "torch finds no GPU"),
    ],
)
def test_what_a_user_gets_wrong_is_one_sentence_and_an_exit_code(folders, capsys, arguments, code, told):
    assert job(*folders, *arguments) == code
    errors = capsys.readouterr().err.strip().splitlines()
    assert errors[-1].startswith("error: ")
    assert told in errors[-1]


@pytest.mark.slow
def test_a_missing_gpu_leaves_no_new_store_and_a_dry_run_says_it_did_not_look(folders, tmp_path, capsys):
    assert job(*folders, "--set", "embed.device=cuda") == 2
    assert job(*folders, "--set", "run.executor=ray", "--set", "describe.gpus=1") == 2
    assert not (tmp_path / "store").exists()
    capsys.readouterr()
    assert job(*folders, "--set", "describe.gpus=1", "--dry-run") == 0
    assert "note: a dry run does not look for GPUs" in " ".join(capsys.readouterr().out.split())
    assert job(*folders, "--dry-run") == 0
    assert "GPU" not in capsys.readouterr().out


def test_a_refused_run_leaves_its_row(folders):
    assert job(*folders, "--set", "embed=null", "--set", "describe=null") == 0
    assert job(*folders, "--set", "embed.device=cuda", "--run-id", "r") == 2
    row = duckdb.sql(
        "SELECT outcome, message FROM 'store/run/**/*.parquet' WHERE run_id = 'r' AND outcome <> 'started'"
    ).fetchall()[0]
    assert row[0] == "refused"
    assert "GPU" in row[1]


@pytest.mark.slow
def test_the_library_runs_where_ray_is_not_installed(folders):
    program = """
import sys
sys.modules["ray"] = None
from jobs import cli, featurize
sys.exit(cli.main("featurize", "doc", featurize.featurize, sys.argv[1:]))
"""
    arguments = [sys.executable, "-c", program, *LOCAL, *folders, "--set", "describe=null"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert count("image_embedding") == 5


FAKE = ["--set", "embed.backend=fake", "--set", "describe=null"]


def test_damaged_files_are_counted_in_the_summary_and_the_run(folders, tmp_path, capsys):
    whole = (tmp_path / "pictures" / "1.jpg").read_bytes()
    for number in (7, 8):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(whole[:-2] + bytes(number))
    assert job(*folders[:4], *FAKE) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "damaged 2" in told
    assert re.search(r"damaged, such as \S+/pictures/7\.jpg: no end marker", told)
    assert (
        json.loads(
            duckdb.sql("SELECT counts FROM 'store/run/**/*.parquet' WHERE outcome <> 'started'").fetchall()[0][0]
        )["damaged"]
        == 2
    )
    assert job(*folders[:4], *FAKE) == 0
    assert "damaged" not in capsys.readouterr().out


def test_headers_that_could_not_be_read_are_read_again_once_by_a_decoder_that_may(folders, capsys):
    def read(*more):
        assert job(*folders[:4], *FAKE, *more) == 0
        found = duckdb.sql(
            "SELECT count(DISTINCT artwork_id) FILTER (width = 300 AND format = 'JPEG')"
            " FROM 'store/artwork/**/*.parquet'"
        ).fetchall()
        return re.search(r"files read (\d+)", capsys.readouterr().out)[1], found[0][0]

    small = ["--set", "limits.max_pixels=60100"]
    assert read(*small) == ("6", 1)
    assert read(*small) == ("0", 1)
    assert read() == ("5", 5)  # the header of broken.jpg cannot be read
    assert read() == ("0", 5)


@pytest.mark.slow
def test_a_closed_standard_output_ends_a_job_without_a_word(folders):
    jobs = (
        ["featurize", *LOCAL, *folders[:4], *FAKE],
        ["sql", "--set", "store=store", "-c", "FROM artwork"],
        ["settings"],
    )
    for words in jobs:
        process = subprocess.Popen(
            [sys.executable, "-m", f"jobs.{words[0]}", *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdout.close()
        assert (words[0], process.wait(60), process.stderr.read()) == (words[0], 141, b"")
        process.stderr.close()
