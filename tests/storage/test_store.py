"""A part appears whole, once; a lease has one holder."""

import json
import os
import subprocess
import sys
import time

import boto3
import duckdb
import numpy as np
import pytest

from featurize.errors import LeaseHeld, RefusedInput, RunFailed
from featurize.storage import lease, tables
from featurize.storage.lease import Lease
from featurize.storage.store import Store, address, filesystem, part_name, read_file


def rows(letter, run_id="r"):
    return tables.rows(
        "image_embedding",
        {
            "image_sha256": [letter * 64],
            "model_key": ["m"],
            "embedding": np.array([[0.6, 0.8]], np.float32),
            "run_id": [run_id],
            "code_version": ["v"],
            "computed_at": [0],
        },
    )


def test_a_part_is_committed_once_and_never_overwritten(tmp_path):
    store = Store(str(tmp_path))
    assert store.commit("image_embedding", "m", "p", rows("a", "first"))
    assert not store.commit("image_embedding", "m", "p", rows("a", "second"))
    assert duckdb.sql(f"SELECT run_id FROM '{store.glob('image_embedding')}'").fetchall() == [("first",)]


def test_nothing_but_the_part_is_left_behind(tmp_path):
    store = Store(str(tmp_path))
    store.commit("image_embedding", "m", "p", rows("a"))
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == ["p.parquet"]


def test_what_a_killed_writer_left_is_vacuumed_and_parts_stay(tmp_path):
    store = Store(str(tmp_path))
    store.commit("image_embedding", "m", "p", rows("a"))
    (tmp_path / "image_embedding" / "m" / ".q.parquet.0123.tmp").write_bytes(b"half a part")
    store.vacuum(["image_embedding", "description"])
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == ["p.parquet"]


def test_a_failed_write_leaves_no_part_and_is_one_sentence(tmp_path):
    (tmp_path / "image_embedding").write_text("a file where a folder should be")
    with pytest.raises(RunFailed, match="cannot write"):
        Store(str(tmp_path)).commit("image_embedding", "m", "p", rows("a"))


def test_datasets_join_parts_of_models_with_vectors_of_other_widths(tmp_path):
    store = Store(str(tmp_path))
    store.commit("image_embedding", "m", "p", rows("a"))
    store.commit("image_embedding", "n", "p", rows("b"))
    with tables.connect() as db:
        store.register(db, "image_embedding", ["n"])
        assert tables.scalar(db, "SELECT image_sha256 FROM image_embedding") == "b" * 64
        store.register(db, "image_embedding")
        assert tables.scalar(db, "SELECT count(*) FROM image_embedding") == 2
        store.register(db, "description")
        assert tables.scalar(db, "SELECT count(*) FROM description") == 0


def test_part_names_follow_from_the_keys():
    assert part_name(["a", "b"]) == part_name(["a", "b"])
    assert part_name(["a", "b"]) != part_name(["ab"])


def test_an_unknown_scheme_is_refused():
    with pytest.raises(RefusedInput, match=r"ftp://x"):
        Store("ftp://x")


def test_a_second_run_is_told_who_holds_the_lease(tmp_path):
    store = Store(str(tmp_path))
    with Lease(store, "featurize", "one"), pytest.raises(LeaseHeld, match=f"run one .process {os.getpid()}"):
        Lease(store, "featurize", "two").__enter__()
    with Lease(store, "featurize", "three"):
        pass
    assert lease.read(store, "featurize") is None


def test_the_lease_of_a_killed_process_is_taken_over_and_its_workers_are_fenced_off(tmp_path):
    store = Store(str(tmp_path))
    program = (
        "import sys, time; from featurize.storage.store import Store; from featurize.storage.lease import Lease\n"
        "with Lease(Store(sys.argv[1]), 'featurize', 'dead'): print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    dead = lease.read(store, "featurize")
    child.kill()
    child.wait()
    with Lease(store, "featurize", "alive") as held:
        held.fence.check()
        with pytest.raises(RunFailed, match="no longer holds the lease"):
            lease.Fence(store, "featurize", dead.token).check()


def test_a_lease_of_another_machine_expires(tmp_path):
    store = Store(str(tmp_path))
    holder = {"token": "t", "run_id": "far", "host": "elsewhere", "pid": 1, "born": "1", "renewed": time.time()}
    store.write("_lease/featurize.json", json.dumps(holder).encode())
    with pytest.raises(LeaseHeld, match="run far"):
        Lease(store, "featurize", "near").__enter__()
    holder["renewed"] -= lease.TTL + 1
    store.write("_lease/featurize.json", json.dumps(holder).encode(), replace=True)
    with Lease(store, "featurize", "near"):
        assert lease.read(store, "featurize").run_id == "near"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("file:///a%20b/%C3%A9%23%25.jpg", "/a b/é#%.jpg"),
        ("file:///a b/é#%.jpg", "/a b/é#%.jpg"),
        ("file://localhost/a", "/a"),
        ("file:/a/", "/a"),
        ("FILE:////a//b/../c", "/a/c"),
        ("file:///%FF", "/\udcff"),
        ("/a/%41.jpg", "/a/%41.jpg"),
        ("//a", "/a"),
        ("s3://b/k%20/#?é", "s3://b/k%20/#?é"),
        ("s3://b/k//", "s3://b/k"),
        ("s3://b//k", "s3://b//k"),
    ],
)
def test_an_address_has_one_spelling(written, meant):
    assert address(written) == meant
    assert address(meant) == meant, "and that is decoded no second time"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("file://server/share/a", "'server' is another one"),
        ("s3://", "the bucket is missing"),
        ("s3:///k", "the bucket is missing"),
        ("https://example.com/a.jpg", "only local paths, file:// and s3:// addresses"),
        ("gs://b/k", "only local paths, file:// and s3:// addresses"),
        ("s3://b//k", "nothing between two of its slashes"),
        ("file:///a%00b", "zero byte"),
        ("file:///%FF", "no UTF-8"),
    ],
)
def test_an_address_of_nothing_we_reach_is_refused(written, told):
    with pytest.raises(RefusedInput, match=told):
        filesystem(written)


def test_a_store_in_any_spelling_is_one_store(tmp_path):
    folder = tmp_path / "my store"
    Store(str(folder)).commit("image_embedding", "m", "p", rows("a"))
    for uri in (f"file://{tmp_path}/my%20store", f"file:{folder}/", f"{folder}/../my store/"):
        store = Store(uri)
        assert store.uri == str(folder)
        assert duckdb.sql(f"SELECT run_id FROM '{store.glob('image_embedding')}'").fetchall() == [("r",)]


def test_every_key_of_a_bucket_can_be_read(s3_bucket):
    s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
    keys = ["k", "k//a", "/a", "é #%20?", "x/y"]
    for key in keys:
        s3.put_object(Bucket=s3_bucket, Key=key, Body=key.encode())
    assert [read_file(f"s3://{s3_bucket}/{key}").decode() for key in keys] == keys
    for missing in ("gone", "k//gone"):
        with pytest.raises(FileNotFoundError):
            read_file(f"s3://{s3_bucket}/{missing}")


LEASE = "_lease/featurize.json"
FOREIGN = {"token": "t", "run_id": "far", "host": "elsewhere", "pid": 1, "born": "1", "renewed": 0.0}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        json.dumps(FOREIGN).encode()[:40],
        b"[1, 2]",
        b"{}",
        b"\xff\xfe\x00",
        json.dumps({**FOREIGN, "renewed": "yesterday"}).encode(),
        json.dumps({**FOREIGN, "renewed": float("nan")}).encode(),
        json.dumps({**FOREIGN, "token": ""}).encode(),
        json.dumps({**FOREIGN, "pid": [1]}).encode(),
    ],
)
def test_a_lease_that_says_nothing_is_one_sentence_and_dead_after_the_ttl(tmp_path, text):
    store = Store(str(tmp_path))
    store.write(LEASE, text)
    with pytest.raises(LeaseHeld, match=r"_lease/featurize.json is empty, half-written or of another program; .* 60 s"):
        Lease(store, "featurize", "near").__enter__()
    long_ago = time.time() - lease.TTL - 1
    os.utime(tmp_path / LEASE, (long_ago, long_ago))
    with Lease(store, "featurize", "near") as held:
        held.fence.check()
        assert lease.read(store, "featurize").run_id == "near"


def test_a_lease_that_says_nothing_on_an_object_store(s3_bucket, monkeypatch):
    store = Store(f"s3://{s3_bucket}/store")
    store.write(LEASE, b"{")
    with pytest.raises(LeaseHeld, match="half-written"):
        Lease(store, "featurize", "near").__enter__()
    time.sleep(1)
    monkeypatch.setattr(lease, "TTL", 0.9)
    monkeypatch.setitem(lease.SETTLE, "remote", 0)
    with Lease(store, "featurize", "near"):
        assert lease.read(store, "featurize").run_id == "near"


@pytest.mark.parametrize("says", [True, False])
def test_a_lease_from_the_future_is_a_clock_error(tmp_path, says):
    store = Store(str(tmp_path))
    future = time.time() + lease.TTL + 30
    store.write(LEASE, json.dumps({**FOREIGN, "renewed": future}).encode() if says else b"")
    os.utime(tmp_path / LEASE, (future, future))
    clock = f"{'elsewhere' if says else 'the storage'} or of this machine"
    with pytest.raises(RunFailed, match=rf"renewed \d\d s in the future: the clock of {clock}, .*, is wrong"):
        Lease(store, "featurize", "near").__enter__()
    store.write(LEASE, json.dumps({**FOREIGN, "renewed": time.time() + 5}).encode(), replace=True)
    with pytest.raises(LeaseHeld, match="run far"):  # clocks differ by seconds
        Lease(store, "featurize", "near").__enter__()


def test_a_lease_of_this_machine_needs_no_clock(tmp_path):
    store = Store(str(tmp_path))
    dead = {**FOREIGN, "host": lease._host(), "pid": 2**22 + 1, "born": "", "renewed": time.time() + 9999}
    store.write(LEASE, json.dumps(dead).encode())
    with Lease(store, "featurize", "near"):
        pass


def test_a_lease_that_can_be_neither_made_nor_read_is_one_sentence(tmp_path):
    (tmp_path / "_lease").mkdir()
    (tmp_path / LEASE).symlink_to(tmp_path / "nowhere")
    with pytest.raises(RunFailed, match=r"_lease/featurize.json can be neither made nor read"):
        Lease(Store(str(tmp_path)), "featurize", "near").__enter__()
