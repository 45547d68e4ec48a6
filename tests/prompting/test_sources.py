"""Inputs in all forms, and what a user gets wrong."""

import json
import os
import subprocess
import sys

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from featurize import config
from featurize.job_run import JobRun
from featurize.storage.store import Store

from . import worlds


def rewrite(folder, name, suffix, rows):
    """An input again as text; times are written with their zone."""
    rows = [{key: value.isoformat() if key == "at" else value for key, value in row.items()} for row in rows]
    path = folder / f"{name}.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        text = [{key: f"[{', '.join(v)}]" if isinstance(v, list) else v for key, v in row.items()} for row in rows]
        cells = [
            ["" if v is None else json.dumps(v) if "," in str(v) else str(v) for v in row.values()] for row in text
        ]
        path.write_text("\n".join(",".join(row) for row in [list(rows[0]), *cells]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", ["csv", pytest.param("jsonl", marks=pytest.mark.slow)])
def test_text_files_give_the_prompts_of_parquet_files(tmp_path, suffix):
    world = worlds.plain(impressions=20)
    world.history = [worlds.event(f"m{n % 5}", f"t{n % 4}", worlds.START, minutes=n + 0.5) for n in range(30)]
    files = {}
    for name in ("parquet", suffix):
        (tmp_path / name).mkdir()
        world.write(tmp_path / name)
    files["input__history"] = rewrite(tmp_path / suffix, "history", suffix, world.history)
    files["input__impressions"] = rewrite(tmp_path / suffix, "impression", suffix, world.impression)
    assert worlds.run(tmp_path / "parquet") == worlds.run(tmp_path / suffix, **files) == 0
    texts = [[(r["prompt_id"], r["prompt"]) for r in worlds.rows(tmp_path / name)] for name in ("parquet", suffix)]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 20


@pytest.mark.slow
def test_a_store_and_inputs_on_s3_give_the_prompts_of_local_ones(tmp_path, s3_bucket):
    worlds.odd(8).write(tmp_path)
    s3 = pafs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"])
    pafs.copy_files(str(tmp_path), s3_bucket, destination_filesystem=s3)
    files = {"titles": "title", "history": "history", "impressions": "impression"}
    remote = {f"input__{name}": f"s3://{s3_bucket}/{file}.parquet" for name, file in files.items()}
    remote |= {"store": f"s3://{s3_bucket}/store", "prompts__export": f"s3://{s3_bucket}/out", **worlds.ANY_LOSS}
    assert (
        worlds.run(tmp_path, **worlds.ANY_LOSS) == worlds.run(tmp_path, **remote) == worlds.run(tmp_path, **remote) == 0
    )
    there = Store(remote["store"]).dataset("prompt").to_table().sort_by("prompt_id").to_pylist()
    with s3.open_input_stream(f"{s3_bucket}/out/sft-train.jsonl") as stream:
        exported = stream.read().splitlines()
    local = worlds.rows(tmp_path)
    assert len(local) > 20
    for row in local + there:
        del row["run_id"], row["computed_at"]
    assert there == local
    taught = [row for row in local if row["reward"] >= 0.5 and row["split"] == "train"]
    alike = [row["same_as"][ord(row["answer"]) - ord("A")] for row in taught]  # words that two candidates share
    assert len(exported) == sum(row["same_as"].count(one) == 1 for row, one in zip(taught, alike, strict=True))


@pytest.mark.parametrize(("suffix", "place"), [("csv", 7), ("jsonl", 6)])
def test_a_time_without_a_zone_is_refused_in_text(tmp_path, capsys, suffix, place):
    world = worlds.plain()
    world.write(tmp_path)
    path = rewrite(tmp_path, "impression", suffix, world.impression)
    path.write_text(path.read_text().replace("2025-03-02T01:00:00+00:00", "2025-03-02T01:00:00"))
    assert worlds.run(tmp_path, input__impressions=path) == 2
    told = capsys.readouterr().err
    assert f"impression.{suffix}:{place}: at '2025-03-02T01:00:00' is not a time with a zone" in told


@pytest.mark.parametrize(("name", "setting"), [("impression", "input__impressions"), ("history", "input__history")])
def test_times_without_a_zone_are_refused_in_parquet(tmp_path, capsys, name, setting):
    worlds.plain().write(tmp_path)
    rows = pq.read_table(tmp_path / f"{name}.parquet")
    index = rows.schema.get_field_index("at")
    pq.write_table(rows.set_column(index, "at", rows["at"].cast(pa.timestamp("us"))), tmp_path / "naive.parquet")
    assert worlds.run(tmp_path, **{setting: tmp_path / "naive.parquet"}) == 2
    assert "naive.parquet: column at has times without a zone" in capsys.readouterr().err


def test_nanoseconds_with_a_zone_are_taken(tmp_path):
    worlds.plain(impressions=6).write(tmp_path)
    rows = pq.read_table(tmp_path / "impression.parquet")
    index = rows.schema.get_field_index("at")
    rows = rows.set_column(index, "at", rows["at"].cast(pa.timestamp("ns", "Europe/Paris")))
    pq.write_table(rows, tmp_path / "impression.parquet")
    assert worlds.run(tmp_path) == 0
    assert len(worlds.rows(tmp_path)) == 6


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input__impressions": "nowhere.parquet"}, "nowhere.parquet: there is no such file"),
        ({"input__impressions": "nowhere/*.parquet"}, "nowhere/*.parquet: cannot be read"),
        ({"input__history": "title.parquet"}, "title.parquet: column member_id, event, at is missing; it has title_id"),
        ({"input__history": "notes.txt"}, "notes.txt: a file must end in"),
        ({"input__history": "broken.parquet"}, "broken.parquet: cannot be read"),
        ({"input__history": None}, "input.history (HISTORY=) is not set, and others are"),
        (
            {"prompts__template": "nothing"},
            "template 'nothing' is neither a file nor one of: multiple-choice-short-v1, ",
        ),
        ({"prompts__as_of": "2025-01-01T00:00:00"}, "prompts.as_of"),
        ({"prompts__as_of": "2025-01-01T00:00:00Z"}, "has no descriptions from before prompts.as_of"),
        ({"prompts__descriptions": "words-9"}, "prompts.descriptions: there is no description of model 'words-9'"),
        (
            {"prompts__kind": "nightly"},
            "nightly prompts need input.pairs (PAIRS=), or prompts.active_days and prompts.rank",
        ),
        ({"prompts__memory": "lots"}, "prompts.memory"),
        ({"store": "empty"}, "has no descriptions: run `make featurize` first"),
    ],
)
def test_what_a_user_gets_wrong_is_one_sentence(tmp_path, monkeypatch, capsys, changes, told):
    worlds.plain().write(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.parquet").write_text("PAR1 but not really")
    monkeypatch.chdir(tmp_path)
    assert worlds.run(tmp_path, **changes) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert errors[-1].startswith("error: ")
    assert told in errors[-1]


def test_pairs_alone_do_not_bring_in_the_demo_world(tmp_path, monkeypatch, capsys):
    """Its titles and its members' histories under our ids would look like ours. A file of that world is meant so."""
    worlds.plain().write(tmp_path)
    monkeypatch.chdir(tmp_path)
    none = {f"input__{name}": None for name in ("titles", "history", "impressions")}
    assert worlds.run(tmp_path, **none, prompts__kind="nightly", input__pairs=tmp_path / "pair.parquet") == 2
    assert "input.titles (TITLES=) is not set, and others are" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
    ours = worlds.settings(tmp_path, **none, input__pairs="demo/small/impression.parquet")
    loaded = config.load("local", [each.removeprefix("--set=") for each in ours])
    assert JobRun("prompts", [], loaded, "a run", dry_run=True).on_demo


def test_what_is_given_and_not_read_is_told_of(tmp_path, capsys):
    worlds.plain().write(tmp_path)
    given = {"input__pairs": tmp_path / "pair.parquet", "prompts__at": "2026-01-01T00:00:00Z"}
    assert worlds.run(tmp_path, **given) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "note: prompts.at is not read: it is for SET=prompts.kind=nightly" in told
    assert "note: input.pairs (PAIRS=) is not read: it is for SET=prompts.kind=nightly" in told


@pytest.mark.parametrize("name", ["history", "impression"])
def test_bytes_overwritten_in_a_parquet_file_are_one_sentence(tmp_path, capsys, name):
    world = worlds.plain()
    world.history = [worlds.event(f"m{n % 5}", "t1", worlds.START) for n in range(10)]
    world.write(tmp_path)
    path = tmp_path / f"{name}.parquet"
    data = bytearray(path.read_bytes())
    data[4:40] = b"\xff" * 36  # the header of the first page
    path.write_bytes(data)
    assert worlds.run(tmp_path) == 2
    (told,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert f"{name}.parquet: cannot be read from row 1 on" in told
    assert worlds.rows(tmp_path) == []


@pytest.mark.parametrize("memory", ["100KB", "1MB"])  # the one is met while titles are read, the other later
def test_too_little_memory_is_one_sentence(tmp_path, capsys, memory):
    worlds.plain(impressions=200).write(tmp_path)
    assert worlds.run(tmp_path, prompts__memory=memory) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"error: DuckDB needs more than prompts.memory = {memory}")
    with duckdb.connect(f"{tmp_path}/store/catalog.duckdb", read_only=True) as db:
        assert db.execute("SELECT outcome, message FROM run").fetchall() == [("failed", told.removeprefix("error: "))]


@pytest.mark.slow
def test_the_job_loads_no_heavy_package(tmp_path):
    worlds.plain().write(tmp_path)
    program = """
import sys
from jobs import cli, prompts
code = cli.main("prompts", "doc", prompts.prompts, sys.argv[1:])
print(code, *sorted({"torch", "transformers", "open_clip", "ray"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", program, *worlds.settings(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0"


def test_every_setting_has_words():
    assert all(field.description for field in config.Prompts.model_fields.values())


def test_a_dry_run_says_what_is_new_and_writes_nothing(tmp_path, capsys):
    worlds.plain(impressions=20).write(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert worlds.run(tmp_path, "--dry-run", prompts__export=tmp_path / "out") == 0
    assert "new prompts 20" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before
