"""Compaction and vacuum beside readers and writers: each row is there once, at every moment and after every death."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pytest

from featurize.errors import RunFailed
from featurize.storage import compaction, tables, views
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from jobs import cli, compact, vacuum
from tests.storage.views import stores

MB = 2**20
NIGHTS = 8
READER = """
import json, os, sys
import duckdb
glob, catalog, ends = sys.argv[1], sys.argv[2], sys.argv[3]
reads, wrong, least = 0, [], {"glob": 0, "view": 0}
print("reading", flush=True)
while reads < 20 or not os.path.exists(ends):
    for way, source in (("glob", f"read_parquet('{glob}')"), ("view", "image_embedding")):
        with duckdb.connect(catalog, read_only=True) as db:
            try:
                rows, distinct = db.execute(f"SELECT count(*), count(DISTINCT image_sha256) FROM {source}").fetchone()
                if rows != distinct or rows % 10 or rows < least[way]:
                    wrong.append([way, rows, distinct, least[way]])
                least[way] = max(rows, least[way])
            except duckdb.Error as error:
                wrong.append([way, str(error)])
        reads += 1
print(json.dumps({"wrong": wrong, "rows": least}))
"""
DIES = """
import os, signal, sys
from featurize.storage import compaction
from featurize.storage.store import Store
store, dies_at = Store(sys.argv[1]), int(sys.argv[2])
steps = 0
def step(event, arguments):
    # Whatever changes the store: files and folders that are made, linked or removed, and the exchange itself.
    global steps
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_CREAT)
    if writes or event in ("os.mkdir", "os.link", "os.symlink", "os.utime", "os.remove", "os.rmdir", "ctypes.dlsym"):
        steps += 1
        if steps == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
compaction.sweep(store)
for table in ("image_embedding", "artwork"):
    compaction.compact(store, table, 2**20, lambda: None, dry_run=False)
print(steps)
"""


def sha(night, number):
    return f"{night:032}{number:032}"


def commit(store, night, run_id="r", model="m"):
    rows = [
        {"image_sha256": sha(night, n), "model_key": model, "embedding": [0.6, 0.8], "run_id": run_id}
        for n in range(10)
    ]
    stores.commit(store, "image_embedding", rows, model, f"night-{night}")


def fill(store, nights=NIGHTS):
    for night in range(nights):
        commit(store, night)
        stores.commit(store, "artwork", [stores.artwork(f"a{night}", "t", f"{night}", night)], part=f"night-{night}")


def run(job, store, *more):
    return cli.main(
        job.__name__.removeprefix("jobs."),
        "doc",
        getattr(job, job.__name__.removeprefix("jobs.")),
        [f"--set=store={json.dumps(store.uri)}", *more],
    )


def read(store, table="image_embedding", plain=False):
    """All rows, in order; `plain` through DuckDB's glob, else as jobs read."""
    with tables.connect() as db:
        if plain:
            db.execute(f"CREATE VIEW {table} AS FROM read_parquet('{store.glob(table)}', union_by_name = true)")
        else:
            store.register(db, table)
        key = ", ".join(tables.contract(table).key)
        return db.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall()


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.slow
def test_many_parts_become_few_and_the_rows_stay(tmp_path, capsys):
    store = Store(str(tmp_path))
    fill(store)
    commit(store, 0, model="n")
    choices = [("m2", "t1"), ("m1", "t9"), ("m3", "t0"), ("m1", "t2")]
    for number, (member, title) in enumerate(choices):
        row = {"member_id": member, "title_id": title, "artwork_id": "a", "runner_up": "b", "margin": 0.5}
        row |= {"propensity": 1.0, "model_key": "x", "prompt_id": f"{number}" * 32, "valid_from": stores.night(1)}
        stores.commit(store, "choice", [row], "7", f"{number}")
    before = {table: read(store, table) for table in ("image_embedding", "artwork", "choice")}
    views.refresh(store)
    there = files(tmp_path)
    assert run(compact, store, "--dry-run") == 0
    assert files(tmp_path) == there
    assert run(compact, store) == 0
    assert "image_embedding: 8 small parts to 1" in capsys.readouterr().out
    assert {table: len(store.parts(table)) for table in before} == {"image_embedding": 2, "artwork": 1, "choice": 1}
    for table, rows in before.items():
        assert read(store, table) == rows
        assert read(store, table, plain=True) == rows
        with duckdb.connect(f"{tmp_path}/catalog.duckdb", read_only=True) as db:
            assert db.execute(f"SELECT count(*) FROM {table}").fetchall() == [(len(rows),)]
    as_it_lies = store.dataset("choice").to_table(["member_id", "title_id"]).to_pylist()
    assert [tuple(row.values()) for row in as_it_lies] == sorted(choices)  # a key-value store takes it as it lies
    once = files(tmp_path / "image_embedding")
    assert run(compact, store) == 0
    assert files(tmp_path / "image_embedding") == once
    commit(store, 99)
    assert run(compact, store) == 0
    assert len(read(store, plain=True)) == 10 * (NIGHTS + 2)
    assert len(store.parts("image_embedding", "m")) == 1
    outcomes = duckdb.sql(f"SELECT outcome FROM '{store.glob('run')}' ORDER BY 1").fetchall()
    assert outcomes == [("done",)] * 3 + [("started",)], "that of the last one, which had not ended"


def test_parts_have_a_size(tmp_path):
    store = Store(str(tmp_path))
    fill(store)
    part = max(store.sizes("image_embedding").values())
    compaction.compact(store, "image_embedding", 4 * part, lambda: None, dry_run=False)
    assert len(store.parts("image_embedding")) == NIGHTS // 4
    assert len(read(store, plain=True)) == 10 * NIGHTS


def test_parts_of_older_versions_lie_a_level_higher_and_are_compacted_too(tmp_path):
    store = Store(str(tmp_path))
    fill(store)
    rows = read(store)
    for path in (tmp_path / "image_embedding").rglob("*.parquet"):
        path.rename(path.parents[1] / path.name)
    (tmp_path / "image_embedding/m/g0").rmdir()
    assert read(store) == read(store, plain=True) == rows
    commit(store, 0)  # under the name of one that is there
    assert read(store) == rows
    compaction.compact(store, "image_embedding", MB, lambda: None, dry_run=False)
    assert len(store.parts("image_embedding")) == 1
    assert read(store) == read(store, plain=True) == rows


def test_a_reader_that_never_stops_sees_each_row_once(tmp_path):
    store = Store(str(tmp_path))
    fill(store)
    views.refresh(store)
    ends = tmp_path / "ends"
    command = [sys.executable, "-c", READER, store.glob("image_embedding"), f"{tmp_path}/catalog.duckdb", str(ends)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "reading\n"
        nights, done = NIGHTS, threading.Event()

        def write():
            nonlocal nights
            while not done.is_set():
                commit(store, nights)
                nights += 1

        writer = threading.Thread(target=write)
        writer.start()
        compactions, begun = 0, time.monotonic()
        while compactions < 5 or time.monotonic() < begun + 2:
            compactions += compaction.compact(store, "image_embedding", MB, lambda: None, dry_run=False)[1]
        ends.touch()
        done.set()
        writer.join()
        seen = json.loads(reader.stdout.read())
    assert seen["wrong"] == []
    assert min(seen["rows"].values()) > 10 * NIGHTS
    assert [row[0] for row in read(store)] == sorted(sha(night, n) for night in range(nights) for n in range(10))


@pytest.mark.slow
def test_killed_at_any_step_nothing_is_lost_or_there_twice(tmp_path):
    def dies(store, at):
        command = [sys.executable, "-c", DIES, store.uri, str(at)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)

    whole = Store(str(tmp_path / "whole"))
    fill(whole, 3)
    compaction.compact(whole, "image_embedding", MB, lambda: None, dry_run=False)
    commit(whole, 3)
    rows = {table: read(whole, table) for table in ("image_embedding", "artwork")}
    steps = int(dies(whole, 0).stdout)
    assert steps > 15
    for at in range(1, steps + 1, 2):
        store = Store(str(tmp_path / f"{at}"))
        fill(store, 3)
        compaction.compact(store, "image_embedding", MB, lambda: None, dry_run=False)
        commit(store, 3)
        assert dies(store, at).returncode == -9
        for _ in range(2):  # as it was left, and after the next run
            for table, found in rows.items():
                assert read(store, table) == read(store, table, plain=True) == found
            compaction.sweep(store)
            for table in rows:
                compaction.compact(store, table, MB, lambda: None, dry_run=False)
        assert {table: len(store.parts(table)) for table in rows} == {"image_embedding": 1, "artwork": 1}
        links = [path for name in rows for path in Path(store.path, name).rglob("g*") if path.is_symlink()]
        kept = {path for path in Path(store.path, "_superseded").rglob("g*") if re.fullmatch(r"g\d+-\w+", path.name)}
        assert kept == {Path(os.path.realpath(link)).parent for link in links}


def age(store, days):
    """As if what lies there had been made so many days ago."""
    for path in Path(store.path).rglob("*"):
        seen = path.lstat().st_mtime - timedelta(days=days).total_seconds()
        os.utime(path, (seen, seen), follow_symlinks=False)


def test_vacuum_leaves_what_a_reader_may_still_open(tmp_path, capsys):
    store = Store(str(tmp_path))
    fill(store)
    rows = read(store)
    found_before = [f"{tmp_path}/{part}" for part in store.parts("image_embedding")]
    assert run(compact, store) == 0
    (tmp_path / "image_embedding/m/.half.parquet.0123.tmp").write_bytes(b"half a part")
    (tmp_path / "_lease/.featurize.json.0123.tmp").write_bytes(b"half a lease")

    def opens():
        return ds.dataset(found_before, format="parquet").count_rows()

    age(store, 6)
    assert run(vacuum, store) == 0
    assert opens() == len(rows)
    age(store, 1.1)
    capsys.readouterr()
    assert run(vacuum, store, "--dry-run") == 0
    told = capsys.readouterr().out
    assert f"image_embedding/m/g0: {NIGHTS} parts" in told
    assert "image_embedding/m/.half.parquet.0123.tmp: 1 parts" in told
    assert opens() == len(rows)
    views.refresh(store)
    assert run(vacuum, store) == 0
    assert not (tmp_path / "_superseded").exists()
    assert not any(path.is_symlink() or path.suffix == ".tmp" for path in tmp_path.rglob("*"))
    assert read(store) == read(store, plain=True) == rows
    assert run(vacuum, store, "--set=upkeep.keep_days=1") == 2
    assert "upkeep.keep_days" in capsys.readouterr().err


def test_parts_of_a_run_that_may_still_commit_stay(tmp_path):
    store = Store(str(tmp_path))
    fill(store)
    commit(store, 50, "tonight")
    commit(store, 51, "tonight")
    with Lease(store, "featurize", "tonight"):
        compaction.compact(store, "image_embedding", MB, lambda: None, dry_run=False)
        assert len(store.parts("image_embedding")) == 3
        assert store.part("image_embedding", "m", "night-50") is not None
        commit(store, 50, "tonight")  # again, by a worker that took over: it is there already
        assert len(read(store, plain=True)) == 10 * (NIGHTS + 2)
    compaction.compact(store, "image_embedding", MB, lambda: None, dry_run=False)
    assert len(store.parts("image_embedding")) == 1
    assert len(read(store, plain=True)) == 10 * (NIGHTS + 2)


def test_one_at_a_time_and_only_on_a_store(tmp_path, capsys):
    store = Store(str(tmp_path / "store"))
    assert run(compact, store) == 2
    assert "is no store" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").touch()  # a folder, and a file, that somebody named by mistake
    for name in ("pictures", "pictures/a.png", "pictures/a.png/store"):
        assert run(vacuum, Store(str(tmp_path / name))) == run(compact, Store(str(tmp_path / name))) == 2
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 2
        assert all(re.search(f"^error: .*/{name} is (no store|a file)", each) for each in told)
    assert files(tmp_path) == ["pictures/a.png"]
    fill(store, 2)
    with Lease(store, "upkeep", "other"):
        assert run(compact, store) == 3
        assert run(vacuum, store) == 3
    assert "run other" in capsys.readouterr().err
    assert run(compact, store, "--run-id=first") == 0
    assert run(compact, store, "--run-id=second") == 0
    assert run(compact, store) == 0
    assert run(compact, store, "--run-id=first") == 2  # its row lies in a part with others by now
    assert "run id 'first' is taken" in capsys.readouterr().err


@pytest.mark.parametrize("table", ["artwork", "image_embedding", "run"])
def test_a_damaged_part_is_named_and_no_row_is_lost(tmp_path, capsys, table):
    store = Store(str(tmp_path / "store"))
    fill(store, 2)
    assert run(vacuum, store, "--run-id=before") == 0
    before = {name: read(store, name) for name in ("artwork", "image_embedding")}
    (part, *_) = store.parts(table)
    path = tmp_path / "store" / part
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    capsys.readouterr()
    for job in (compact, vacuum) if table == "run" else (compact,):  # vacuum need not read what it does not remove
        assert run(job, store) == 1
        told = capsys.readouterr().err
        assert told.startswith("error: ")
        assert told.count("\n") == 1
        assert part in told
    path.write_bytes(whole)
    assert run(compact, store) == 0
    assert {name: read(store, name, plain=True) for name in before} == before


def test_where_folders_cannot_be_exchanged_nothing_is_changed(tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    fill(store)
    rows, there = read(store), files(tmp_path)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())  # a system without renameat2
    with pytest.raises(RunFailed, match="cannot exchange two folders in one step"):
        compaction.compact(store, "image_embedding", MB, lambda: None, dry_run=False)
    assert read(store, plain=True) == rows
    assert files(tmp_path) == there


def test_a_run_says_that_a_table_has_too_many_parts(tmp_path, capsys):
    store = Store(str(tmp_path))
    fill(store)
    assert run(vacuum, store, "--set=upkeep.warn_parts=7") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "note: table image_embedding has 8 parts in 1 folders; `make compact` makes few of them" in told
    assert run(compact, store, "--set=upkeep.warn_parts=7") == 0
    assert "`make compact`" not in capsys.readouterr().out


def plain_objects(store):
    """What a reader of S3 finds who knows of no compaction: all objects that the plain glob matches."""
    from pyarrow.fs import FileSelector

    infos = store.fs.get_file_info(FileSelector(f"{store.path}/image_embedding", recursive=True))
    parts = [info.path for info in infos if info.path.endswith(".parquet")]
    return sorted(ds.dataset(parts, filesystem=store.fs).to_table(["image_sha256"])["image_sha256"].to_pylist())


@pytest.mark.slow
def test_on_s3_readers_find_each_row_once_whoever_they_are(s3_bucket):
    store = Store(f"s3://{s3_bucket}/store")
    for night in range(4):
        commit(store, night)
    rows, wrong, reads, done = read(store), [], [0], threading.Event()

    def look():
        while not done.is_set():
            found = [row[0] for row in read(store)]
            wrong.extend(
                each for each in (found, plain_objects(store)) if len(each) % 10 or len(set(each)) != len(each)
            )
            reads[0] += 1

    reader = threading.Thread(target=look)
    reader.start()
    for dies_at in range(3):  # killed before each upload
        asked = 0

        def check(dies_at=dies_at):
            nonlocal asked
            asked += 1
            if asked > dies_at:
                raise KeyboardInterrupt

        if dies_at < 2:
            with pytest.raises(KeyboardInterrupt):
                compaction.compact(store, "image_embedding", MB, check, dry_run=False)
            assert len(store.parts("image_embedding")) == 4
        else:
            compaction.compact(store, "image_embedding", MB, check, dry_run=False)
        assert read(store) == rows
    assert len(store.parts("image_embedding")) == 1
    found_before = store.dataset("image_embedding")
    commit(store, 4)
    again = datetime.now(UTC)
    assert run(compact, store) == 0
    assert len(store.parts("image_embedding")) == 1
    time.sleep(0.2)
    done.set()
    reader.join()
    assert wrong == []
    assert reads[0] >= 2
    assert (
        [row[0] for row in read(store)]
        == plain_objects(store)
        == sorted(sha(n, i) for n in range(5) for i in range(10))
    )
    week = timedelta(days=7)
    assert list(compaction.leftovers(store, week, datetime.now(UTC))) == []
    old = list(compaction.leftovers(store, week, datetime.now(UTC) + timedelta(days=8)))
    assert len(old) == 1
    assert old[0].since >= again  # since nobody finds it, not since it was made
    assert found_before.count_rows() == 40
    compaction.remove(store, old[0])
    assert len(read(store)) == 50
