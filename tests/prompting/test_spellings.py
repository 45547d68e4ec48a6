"""The same small world in every form, and the same bytes of prompts from each; damaged, one sentence."""

import dataclasses
import itertools
import os
import random

import duckdb
import pyarrow.fs as pafs
import pytest

from featurize.errors import RefusedInput
from featurize.intake import inputs
from featurize.storage import tables
from tests.cases import fast_first

from . import spellings, worlds
from .spellings import Spelling

TABLES = ("title", "history", "impression")
FEW = [
    Spelling("comma.csv", "text", "json", times="utc"),
    Spelling("comma.csv", "float", "comma", ".gz", "folder", "naive"),
    Spelling("semicolon.csv", "text", "bar", ".zst", "pattern", "offset"),
    Spelling("tab.tsv", "text", "braces", place="file://", times="utc"),
    Spelling("bar.CSV", "text", "python", times="offset"),
    Spelling("comma.csv", "float", "bare", place="s3", times="utc"),
    Spelling("lines.jsonl", "whole", "native", ".gz", "folder", "utc"),
    Spelling("array.json", "text", "structs", times="offset"),
    Spelling("pretty.json", "float", "json", ".zst", "pattern", "naive"),
    Spelling("lines.NDJSON", "whole", "bar", place="s3", times="utc"),
    Spelling("rows.parquet", "whole", "native", place="folder", times="ms"),
    Spelling("rows.parquet", "float", "structs", place="pattern", times="ns"),
    Spelling("rows.parquet", "decimal", "json", times="naive"),
    Spelling("rows.parquet", "dictionary", "native", place="s3", times="ms"),
    Spelling("rows.parquet", "binary", "comma", ".gz", times="offset"),
    Spelling("rows.parquet", "view", "native", place="file://", times="s"),
]


def every():
    """All forms with all ids and lists; with each, the next compression, place and time."""
    crossed = itertools.product(spellings.FORMS, spellings.IDS, spellings.LISTS)
    for number, (form, ids, lists) in enumerate(crossed):
        rest = itertools.product(spellings.COMPRESSIONS, spellings.PLACES, spellings.TIMES)
        possible = [each for each in (Spelling(form, ids, lists, *others) for others in rest) if each.possible]
        yield from possible[number * 11 % len(possible) :][:1] if possible else []


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The prompts from Parquet in the contract's own types."""
    folder = tmp_path_factory.mktemp("expected")
    spellings.world().write(folder)
    return prompts(folder)


def prompts(folder, **settings):
    assert worlds.run(folder, **settings) == 0
    with tables.connect() as db:
        query = f"SELECT * EXCLUDE (run_id, computed_at) FROM '{folder}/store/prompt/**/*.parquet' ORDER BY prompt_id"
        return tables.arrow(db, query).to_pylist()


def check(folder, spelling, bucket, expected):
    world = spellings.world()
    world.write(folder)
    s3 = (bucket, pafs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"])) if bucket else None
    assert prompts(folder, **spellings.write(world, folder, spelling, s3)) == expected


def test_the_world_is_worth_spelling(expected):
    assert len(expected) == 12
    text = "".join(row["prompt"] for row in expected)
    assert "comédie" in text
    assert "crime drama" in text
    assert all(row["answer"] is not None for row in expected)
    assert {tuple(sorted(row["propensities"])) for row in expected} == {(0.05, 0.25, 0.7)}
    assert {(row["device"], row["time_zone"]) for row in expected} == {("television", "America/Sao_Paulo")}


@pytest.mark.parametrize(
    "spelling",
    fast_first(sorted(FEW, key=lambda each: FEW.index(each) % 4 != 1), 4),
    ids=lambda each: "-".join(dataclasses.astuple(each)),
)
def test_a_spelling_gives_the_same_prompts(tmp_path, request, expected, spelling):
    assert spelling.possible
    check(tmp_path, spelling, request.getfixturevalue("s3_bucket") if spelling.place == "s3" else None, expected)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """The rows from Parquet in the contract's own types: all that the job knows of its inputs."""
    folder = tmp_path_factory.mktemp("given")
    spellings.world().write(folder)
    settings = {f"input__{name}s".replace("historys", "history"): f"{folder}/{name}.parquet" for name in TABLES}
    return rows_read(folder, settings)


def rows_read(folder, settings):
    """By table, its rows as the job reads them."""
    found = {"title": inputs.read("title", settings["input__titles"]).to_pylist()}
    with tables.connect() as db:
        for name, setting in (("history", "input__history"), ("impression", "input__impressions")):
            inputs.view(db, name, settings[setting], scratch=folder, time_zone=settings.get("input__time_zone"))
            found[name] = sorted(tables.arrow(db, f"FROM {name}").to_pylist(), key=repr)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("spelling", list(every()), ids=lambda each: "-".join(dataclasses.astuple(each)))
def test_every_spelling_gives_the_same_rows(tmp_path, request, given, spelling):
    s3 = None
    if spelling.place == "s3":
        bucket = request.getfixturevalue("s3_bucket")
        s3 = (bucket, pafs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"]))
    assert rows_read(tmp_path, spellings.write(spellings.world(), tmp_path, spelling, s3)) == given


def damaged(data, rng):
    """The bytes with one or a few of them changed, cut off, left out or said twice."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 5])):
        at = rng.randrange(len(data))
        change = rng.randrange(5)
        if change == 0:
            data[at] = rng.randrange(256)
        elif change == 1:
            del data[max(at, 1) :]
        elif change == 2:
            del data[max(at, 1) : at + 20]
        elif change == 3:
            data[at:at] = data[at // 2 : at // 2 + 40]
        else:
            data[at:at] = rng.choice([b"\0", b'"', b"\n", b"[", b"{", b",", b"\xff", b"\\ud800", b"1e999", b"NaN"])
    return bytes(data)


@pytest.mark.parametrize("form", ["comma.csv", "lines.jsonl", "array.json", "rows.parquet"])
@pytest.mark.parametrize("name", ["title", "history", "impression"])
def test_a_damaged_file_is_read_or_refused_on_one_line(tmp_path, form, name):
    spelling = Spelling(form, lists="json" if form == "comma.csv" else "native", times="utc")
    whole = spellings.as_bytes(name, getattr(spellings.world(), name), spelling)
    path = tmp_path / form
    told = []
    for seed in range(15):
        path.write_bytes(damaged(whole, random.Random(seed)))
        try:
            read(tmp_path, name, path)
        except RefusedInput as refused:
            told.append(str(refused))
    assert len(told) > 3
    assert all(sentence.startswith(str(path)) and "\n" not in sentence for sentence in told)


def read(folder, name, path):
    if name == "title":
        inputs.read(name, str(path))
        return
    with tables.connect() as db:
        inputs.view(db, name, str(path), scratch=folder)
        try:
            db.execute(f"CREATE TEMP TABLE found AS FROM {name}")
        except duckdb.Error:
            with pytest.raises(RefusedInput, match="cannot be read from row"):
                inputs.refuse_broken(name, str(path))
