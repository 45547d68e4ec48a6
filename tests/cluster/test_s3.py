"""Manifest, pictures and store on an S3 server that fails now and then: the rows are those of a local run."""

import csv
import io
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from catalogues import TABLES, add_broken, catalogue, error, rows, run, runs, start, wait_until
from unreliable_s3 import UnreliableS3, never, now_and_then, serve

from featurize.errors import RunFailed
from featurize.storage.store import Store, filesystem
from jobs import cli, compact, vacuum

BUCKET = "artworks"
PICTURES = 12
WHERE_IT_LIES = {"uri", "source", "modified"}
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnreliableS3]:
    with pytest.MonkeyPatch.context() as patch, serve(tmp_path_factory.mktemp("server")) as proxy:
        patch.setenv("AWS_ENDPOINT_URL", proxy.address)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_PROFILE", raising=False)
        pafs.S3FileSystem(region="us-east-1", endpoint_override=proxy.address, allow_bucket_creation=True).create_dir(
            BUCKET
        )
        yield proxy


@pytest.fixture(autouse=True)
def well(s3: UnreliableS3) -> Iterator[None]:
    yield
    s3.fault = never
    s3.failed.clear()


@pytest.fixture(scope="module")
def clean(s3: UnreliableS3, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The rows of a local run; the same files are then in the bucket, with a manifest in two formats."""
    folder = add_broken(catalogue(tmp_path_factory.mktemp("artwork"), PICTURES))
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    listed = [{"artwork_id": f.stem, "title_id": "t", "uri": str(f.relative_to(folder))} for f in files]
    text = io.StringIO()
    writer = csv.DictWriter(text, listed[0])
    writer.writeheader()
    writer.writerows(listed)
    (folder / "list.csv").write_text(text.getvalue())
    pq.write_table(pa.Table.from_pylist(listed), folder / "list.parquet")
    for file in [*files, folder / "list.csv", folder / "list.parquet"]:
        put(f"{BUCKET}/catalogue/{file.relative_to(folder)}", file.read_bytes())
    store = tmp_path_factory.mktemp("clean")
    run(store, folder / "list.csv")
    return rows(store, without=WHERE_IT_LIES)


def put(path: str, data: bytes) -> None:
    fs, _ = filesystem(f"s3://{path}")
    with fs.open_output_stream(path) as stream:
        stream.write(data)


@pytest.mark.slow
@pytest.mark.parametrize("manifest", ["list.parquet", "list.csv"])
def test_a_server_that_fails_now_and_then(manifest: str, clean: Rows, s3: UnreliableS3) -> None:
    store = f"s3://{BUCKET}/failing-{manifest}"
    s3.fault = now_and_then(0.07, seed=3)
    run(store, f"s3://{BUCKET}/catalogue/{manifest}", {"run.shard_images": 8})
    assert s3.failed["500"] > 0
    assert s3.failed["503"] > 0
    s3.fault = never
    assert rows(store, without=WHERE_IT_LIES) == clean
    run(store, f"s3://{BUCKET}/catalogue/{manifest}")
    assert runs(store)[-1]["counts"]["files read"] == 0
    assert rows(store, without=WHERE_IT_LIES) == clean
    s3.failed.clear()
    s3.fault = now_and_then(0.05, seed=4)
    for name, upkeep in (("compact", compact.compact), ("vacuum", vacuum.vacuum)):
        assert cli.main(name, "doc", upkeep, [f"--set=store={store}"]) == 0
    s3.fault = never
    assert s3.failed
    assert parts(store) == 1
    assert rows(store, without=WHERE_IT_LIES) == clean
    run(store, f"s3://{BUCKET}/catalogue/{manifest}")
    assert runs(store)[-1]["counts"]["files read"] == 0
    assert rows(store, without=WHERE_IT_LIES) == clean


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_and_run_again(seed: int, clean: Rows, s3: UnreliableS3) -> None:
    store, manifest, moments = f"s3://{BUCKET}/killed-{seed}", f"s3://{BUCKET}/catalogue/list.csv", random.Random(seed)
    s3.fault = now_and_then(0.05, seed)
    for _ in range(4):
        job = start(store, manifest, {"embed.seconds": 0.02})
        enough = parts(store) + moments.randint(0, 2)
        wait_until(lambda job=job, enough=enough: job.poll() is not None or parts(store) >= enough)
        time.sleep(moments.uniform(0, 1))
        job.kill()
        job.communicate()
        for table in (*TABLES, "run"):
            Store(store).dataset(table).to_table()  # every object is whole
    run(store, manifest)
    assert rows(store, without=WHERE_IT_LIES) == clean


@pytest.mark.slow
def test_workers_of_ray_write_to_it_too(clean: Rows, s3: UnreliableS3) -> None:
    store, manifest = f"s3://{BUCKET}/ray", f"s3://{BUCKET}/catalogue/list.parquet"
    s3.fault = now_and_then(0.05, seed=5)
    run(store, manifest, {"run.executor": "ray", "run.shard_images": 4, "embed.cpus": 1})
    assert s3.failed
    s3.fault = never
    assert rows(store, without=WHERE_IT_LIES) == clean


def parts(store: str) -> int:
    return len(Store(store).parts("image_embedding"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "fault", "megabytes"),
    [("any", "cut", 0.1), ("any", "500", 25), ("one part", "500", 25), ("one part", "cut", 25), ("the end", "500", 25)],
)
def test_an_upload_that_fails_leaves_nothing(
    which: str, fault: str, megabytes: float, s3: UnreliableS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file is one request, a big one many; whichever fails for good, no object appears."""
    monkeypatch.setattr("featurize.storage.store.RETRIES", 1)

    def fails(method: str, path: str) -> str | None:
        whole = method == "PUT" and "partNumber" not in path
        hit = {
            "any": method in ("PUT", "POST"),
            "one part": whole or (method == "PUT" and "partNumber=2" in path),
            "the end": whole or (method == "POST" and "uploadId" in path),
        }
        return fault if hit[which] else None

    name, data = f"{which}-{fault}-{megabytes}".replace(" ", "-"), os.urandom(int(megabytes * 2**20))
    store = Store(f"s3://{BUCKET}/uploads")
    s3.fault = fails
    with pytest.raises(RunFailed, match="cannot write s3://artworks/uploads/"):
        store.write(name, data)
    assert s3.failed[fault] > 0
    s3.fault = never
    assert not store.exists(name)
    assert store.write(name, data)
    assert store.read(name) == data


@pytest.mark.slow
def test_a_server_that_is_gone_ends_the_run(tmp_path: Path, s3: UnreliableS3, clean: Rows) -> None:
    s3.fault = lambda method, path: "503" if method == "PUT" and "image_embedding" in path else None
    store = f"s3://{BUCKET}/gone"
    said = run(store, f"s3://{BUCKET}/catalogue/list.csv", {"run.shard_images": 512}, code=1)
    assert error(said).startswith(f"error: cannot write {store}/image_embedding/")
    s3.fault = never
    run(store, f"s3://{BUCKET}/catalogue/list.csv")
    assert rows(store, without=WHERE_IT_LIES) == clean


@pytest.mark.slow
def test_a_second_run_is_refused(clean: Rows, s3: UnreliableS3) -> None:
    store, manifest = f"s3://{BUCKET}/two", f"s3://{BUCKET}/catalogue/list.csv"
    first = start(store, manifest, {"embed.seconds": 0.2})
    wait_until(lambda: Store(store).parts("model"))
    said = run(store, manifest, code=3)
    assert f"(process {first.pid} on " in error(said)
    first.communicate(timeout=120)
    assert first.returncode == 0
