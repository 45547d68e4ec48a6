"""A small catalogue with real pictures, members, a log of impressions and pairs, and the nightly job run on it."""

import hashlib
import json
import os
import subprocess
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from featurize.storage import tables, views
from featurize.storage.store import Store
from jobs import cli, nightly
from tests.prompting import worlds

QUIET = {
    "run.executor": "local",
    "run.shard_images": 8,
    "embed": '{backend = "fake"}',
    "describe": "null",
    "text": "null",
    "prompts.held_out": 8,
    "rank.rankers": '["random", "popular", "logged"]',
    "evaluate.draws": 100,
    "evaluate.plot": "null",
    **{name.replace("__", "."): value for name, value in worlds.ANY_LOSS.items()},
}


def world(folder, impressions=80):
    """Everything a night reads, in `folder`; returns the rows, to write other ones later.

    The descriptions are in the store already, as a captioner that takes its time would have left them.
    """
    made = worlds.demo(impressions, of_titles=12, members=12, events=15)
    made.pair = [{"member_id": f"{member}", "title_id": row["title_id"]} for member, row in _pairs(made)]
    for number, row in enumerate(made.artwork):
        path = folder / "artwork" / f"{row['artwork_id']}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number % 256, number // 256, 77)).save(path)
        made.description[number]["image_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    columns = {name: [row[name] for row in made.description] for name in made.description[0]}
    Store(str(folder / "store")).commit("description", "words-1", "0" * 32, tables.rows("description", columns))
    write(folder, made)
    return made


def _pairs(made):
    members = sorted({row["member_id"] for row in made.impression})[:5]
    return [(member, row) for member in members for row in made.title[:4]]


def write(folder, made, **more):
    """The inputs; `more` are columns of the manifest by artwork id, such as valid_from."""
    for name in worlds.INPUTS:
        schema = pa.schema([field.with_nullable(True) for field in tables.contract(name).schema])
        pq.write_table(pa.Table.from_pylist(getattr(made, name), schema=schema), folder / f"{name}.parquet")
    rows = [
        {
            "artwork_id": row["artwork_id"],
            "title_id": row["title_id"],
            "uri": f"artwork/{row['artwork_id']}.png",
            **{name: of.get(row["artwork_id"]) for name, of in more.items()},
        }
        for row in made.artwork
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "manifest.parquet")


def settings(folder, **changes):
    given = {
        "store": folder / "store",
        "input.artwork": folder / "manifest.parquet",
        "input.titles": folder / "title.parquet",
        "input.history": folder / "history.parquet",
        "input.impressions": folder / "impression.parquet",
        "input.pairs": folder / "pair.parquet",
        **QUIET,
        **{name.replace("__", "."): value for name, value in changes.items()},
    }
    return [f"--set={name}={value}" for name, value in given.items() if value is not None]


def run(folder, *flags, **changes):
    """The night in this process; returns the exit code."""
    return cli.main("nightly", nightly.__doc__, nightly.nightly, [*settings(folder, **changes), *flags])


def start(folder, *flags, **changes):
    """The night as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.nightly", *settings(folder, **changes), *flags],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(folder, table, columns="*"):
    """All rows of a table by the plain glob, as JSON texts in order."""
    glob = f"{folder}/store/{table}/**/*.parquet"
    query = f"SELECT {columns} FROM read_parquet('{glob}', union_by_name=true) ORDER BY ALL"
    return [json.dumps(row, default=str) for row in duckdb.sql(query).to_arrow_table().to_pylist()]


def ask(folder, query):
    with views.connect(Store(str(folder / "store"))) as db:
        return db.execute(query).fetchall()
