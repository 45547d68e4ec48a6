"""The two executors do the same, and both stop with one sentence where going on is pointless."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from catalogues import RED, add_broken, catalogue, error, paint, parts, rows, run, runs, start, wait_until
from conftest import Cluster

from featurize.errors import RefusedInput
from featurize.execution import ray_run
from featurize.models.fake import Settings
from featurize.storage import current


@pytest.fixture(scope="module")
def artwork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_broken(catalogue(tmp_path_factory.mktemp("artwork"), 40))


@pytest.mark.slow
def test_both_give_the_same_rows(artwork: Path, tmp_path: Path, ray_cluster: Cluster) -> None:
    """On Ray with two workers, and a batch that does not fit: it is halved, and the size found is told."""
    run(tmp_path / "local", artwork)
    said = run(tmp_path / "tight", artwork, {"embed.most_at_once": 5, "run.shard_images": 20})
    found = re.findall(r"out of memory with (\d+) pictures; the batch size is now (\d+)", said)
    assert found  # how many were ready when a batch was made is a matter of time
    assert all(int(halved) == int(tried) // 2 for tried, halved in found)
    tight = {"embed.most_at_once": 5, "embed.cpus": 1, "run.shard_images": 20, "run.executor": "ray"}
    run(tmp_path / "ray", artwork, tight, ray_cluster.address)
    expected = rows(tmp_path / "local")
    assert len(expected["image_embedding"]) == 40
    assert len(expected["quarantine"]) == 3
    for executor in ("tight", "ray"):
        assert rows(tmp_path / executor) == expected
        phase, *_ = runs(tmp_path / executor)[0]["counts"]["phases"]
        assert phase["done"] == 40
        assert 2 <= phase["batch_size"] <= 5
        whole, spent = runs(tmp_path / executor)[0]["counts"]["spent"], phase["spent"]
        read = sum(path.stat().st_size for path in artwork.rglob("*") if path.is_file())
        assert (spent["bytes_read"], whole["bytes_read"]) == (read, 2 * read)  # once by its hash
        assert 0 < spent["bytes_written"] < whole["bytes_written"]
        assert (
            spent["model_s"] + spent["write_s"] + spent["wait_s"] <= spent["worker_s"]["cpu"] < whole["worker_s"]["cpu"]
        )
    assert said.count("phase=embed") == 3
    late = {"run.executor": "ray", "embed.cpus": 1, "embed.seconds": 0.5, "run.shard_images": 4, "run.deadline": "9s"}
    told = " ".join(run(tmp_path / "late", artwork, late, ray_cluster.address).split())
    assert "are left for the next run, for run.deadline = 9s has passed" in told
    assert len(rows(tmp_path / "late")["image_embedding"]) < 40
    run(tmp_path / "late", artwork, {**late, "embed.seconds": 0, "run.deadline": "1h"}, ray_cluster.address)
    assert rows(tmp_path / "late") == expected


@pytest.mark.slow
def test_both_give_the_same_rows_with_real_models(tmp_path: Path, ray_cluster: Cluster) -> None:
    artwork = add_broken(catalogue(tmp_path / "artwork", 10))
    endless = paint(artwork / "t0" / "endless.png", RED)
    endless.write_bytes(endless.read_bytes()[:-12])  # the end mark is gone, the pixels are there: a row of `damage`
    real = {
        "embed": '{backend = "open_clip_image", model = "bundled:clip", dtype = "float32"}',
        "describe": '{backend = "transformers_captioner", model = "bundled:captioner", dtype = "float32", '
        "max_new_tokens = 20}",
    }
    found = []
    for executor in ("local", "ray"):
        run(tmp_path / executor, artwork, {**real, "run.executor": executor}, ray_cluster.address)
        found.append(rows(tmp_path / executor))
    for table, local in found[0].items():
        assert bool(local) == (table not in ("clip", *current.OF_CLIPS)), f"{len(local)} rows in {table}"
        for ours, theirs in zip(local, found[1][table], strict=True):
            assert same(ours, theirs)


def same(left: Any, right: Any) -> bool:
    """Equal, floats to 1e-5: sums come out in another order with another number of threads."""
    if isinstance(left, float):
        return math.isclose(left, right, abs_tol=1e-5)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_model_that_does_not_load(executor: str, artwork: Path, tmp_path: Path, ray_cluster: Cluster) -> None:
    settings = {"run.executor": executor, "embed.will_not_load": True}
    said = run(tmp_path, artwork, settings, ray_cluster.address, code=1)
    assert error(said) == "error: the fake model was told not to load"
    assert not rows(tmp_path)["image_embedding"]
    assert [(row["outcome"], row["message"]) for row in runs(tmp_path)] == [
        ("failed", "the fake model was told not to load")
    ]


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_model_that_fails_on_everything(executor: str, artwork: Path, tmp_path: Path, ray_cluster: Cluster) -> None:
    settings = {"run.executor": executor, "embed.always_fails": True, "run.shard_images": 512, "embed.cpus": 2}
    said = run(tmp_path, artwork, settings, ray_cluster.address, code=1)
    assert "41 of 41 pictures failed in phase 'embed', more than run.max_failed = 0.5 allows" in error(said)
    found = rows(tmp_path)
    assert not found["image_embedding"]
    assert not found["quarantine"]


@pytest.mark.slow
def test_a_cluster_without_gpus(artwork: Path, tmp_path: Path, ray_cluster: Cluster) -> None:
    settings = {"run.executor": "ray", "embed.gpus": 1}
    said = run(tmp_path, artwork, settings, ray_cluster.address, code=2)
    assert "needs 1 GPU and no node has that many (the most is 0)" in error(said)
    assert not rows(tmp_path)["image_embedding"]


def test_a_gpu_that_a_later_phase_needs_is_missed_before_the_first_one(
    artwork: Path, tmp_path: Path, ray_cluster: Cluster
) -> None:
    settings = {"run.executor": "ray", "describe": '{backend = "fake", gpus = 1}'}
    said = run(tmp_path, artwork, settings, ray_cluster.address, code=2)
    assert "needs 1 GPU and no node has that many (the most is 0)" in error(said)
    assert not rows(tmp_path)["image_embedding"]


def test_an_unknown_setting_is_refused(artwork: Path, tmp_path: Path) -> None:
    said = run(tmp_path, artwork, {"embed.most_at_twice": 5}, code=2)
    assert "embed.most_at_twice: no such setting" in error(said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_runs_at_once(artwork: Path, tmp_path: Path) -> None:
    """The second says who holds the lease and leaves the first alone."""
    first = start(tmp_path, artwork, {"embed.seconds": 0.1})
    wait_until(lambda: parts(tmp_path, "artwork"))
    said = run(tmp_path, artwork, code=3)
    assert f"(process {first.pid} on " in error(said)
    assert first.communicate(timeout=120)
    assert first.returncode == 0
    assert len(rows(tmp_path)["image_embedding"]) == 40
    assert len(runs(tmp_path)) == 1


@pytest.mark.slow
def test_a_terminated_run_gives_the_lease_back(artwork: Path, tmp_path: Path) -> None:
    job = start(tmp_path, artwork, {"embed.seconds": 0.2})
    wait_until(lambda: parts(tmp_path))
    job.terminate()
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "interrupted; what is committed stays" in error(said)
    assert not list(tmp_path.glob("_lease/*.json"))
    assert [row["outcome"] for row in runs(tmp_path)] == ["interrupted"]


@pytest.mark.slow
def test_a_cluster_that_does_not_answer(artwork: Path, tmp_path: Path) -> None:
    said = run(tmp_path, artwork, {"run.executor": "ray"}, ray="127.0.0.1:9", code=1)
    assert "RAY_ADDRESS=127.0.0.1:9 does not answer: [Errno 111] Connection refused" in error(said)


@pytest.mark.slow
def test_a_cluster_whose_nodes_do_not_come(artwork: Path, tmp_path: Path, ray_cluster: Cluster) -> None:
    """More workers than there is room for do no harm; none at all is told of, and not waited for for ever."""
    settings = {"run.executor": "ray", "embed.workers": 5}
    more = {**settings, "run.wait_for_nodes": 100, "embed.cpus": 1}
    run(tmp_path / "some", artwork, more, ray_cluster.address)
    assert len(rows(tmp_path / "some")["image_embedding"]) == 40
    none = {**settings, "run.wait_for_nodes": 2, "run.stall_seconds": 2, "embed.cpus": 3}
    said = run(tmp_path / "none", artwork, none, ray_cluster.address, code=1)
    assert "no node has had room for a worker of backend 'fake' (0 GPU, 3 CPUs) for 2 s" in error(said)


def node(cpus: float, gpus: float = 0) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus}


@pytest.mark.parametrize(
    ("settings", "nodes", "workers", "cpus"),
    [
        ({}, [node(2)], 1, 2),
        ({}, [node(64)], 8, 8),
        ({}, [node(64), node(4)], 17, 4),
        ({"cpus": 1}, [node(2)], 2, 1),
        ({"workers": 3}, [node(64)], 3, 8),
        ({"gpus": 1}, [node(32, 4), node(128)], 4, 8),
        ({"gpus": 1}, [node(8, 8), node(8, 8)], 16, 1),
        ({"gpus": 0.5}, [node(16, 1)], 2, 8),
        ({"gpus": 2}, [node(16, 5), node(16, 1)], 2, 8),
        ({"gpus": 1, "cpus": 6}, [node(16, 4)], 2, 6),
    ],
)
def test_what_the_nodes_hold(settings: dict[str, Any], nodes: list[dict[str, float]], workers: int, cpus: int) -> None:
    assert ray_run.fit(Settings(**settings), nodes) == (workers, cpus)


@pytest.mark.parametrize(
    ("settings", "nodes", "sentence"),
    [
        ({"gpus": 1}, [node(8)], "needs 1 GPU and no node has that many .the most is 0."),
        ({"gpus": 2}, [node(8, 1), node(8, 1)], "needs 2 GPU and no node has that many .the most is 1."),
        ({"cpus": 16}, [node(8)], "needs 16 CPUs and no node has more than 8"),
        ({}, [], "no node"),
    ],
)
def test_what_the_nodes_do_not_hold(settings: dict[str, Any], nodes: list[dict[str, float]], sentence: str) -> None:
    with pytest.raises(RefusedInput, match=sentence):
        ray_run.fit(Settings(**settings), nodes)
