"""SIGKILL at random moments: after a rerun the committed rows are those of one clean run, and readers never see less.

A store is killed again and again, so that every run but the last plans from what a dead one left.
"""

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from catalogues import (
    OF_CLIPS,
    Reader,
    add_broken,
    alive,
    catalogue,
    family,
    kill_all,
    parts,
    rows,
    run,
    shared_memory,
    start,
    wait_until,
    workers,
)
from clips import cut, films, needs_ffmpeg

PICTURES = 60
SLOW = {"embed.seconds": 0.03}
ON_RAY = {"run.executor": "ray", "embed.cpus": 1, **SLOW}
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def artwork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_broken(catalogue(tmp_path_factory.mktemp("artwork"), PICTURES))


@pytest.fixture(scope="module")
def clean(artwork: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The rows of one clean run."""
    store = tmp_path_factory.mktemp("clean")
    run(store, artwork)
    found = rows(store)
    assert len(found["image_embedding"]) == PICTURES
    assert len(found["quarantine"]) == 3
    return found


@needs_ffmpeg
@pytest.mark.slow
def test_a_catalogue_of_clips_killed_again_and_again(tmp_path: Path) -> None:
    """While it hashes, decodes and commits; what decodes ends with the job."""
    artwork = films(tmp_path / "clips", 6)
    (artwork / "words.mp4").write_bytes(b"these are words")
    cut(artwork / "0.mp4", artwork / "cut.mp4")
    run(tmp_path / "clean", artwork, OF_CLIPS)
    clean = rows(tmp_path / "clean")
    assert (len(clean["clip"]), len(clean["clip_description"]), len(clean["quarantine"])) == (8, 6, 2)
    store = tmp_path / "killed"
    kill_often(artwork, store, times=2, seed=1, settings=OF_CLIPS, table="clip_description")
    run(store, artwork, OF_CLIPS)
    assert rows(store) == clean


def kill(job: subprocess.Popen[str]) -> None:
    job.kill()
    job.communicate()


def kill_everything(job: subprocess.Popen[str]) -> None:
    """The job, its process group, and all that descends from it, at once."""
    everything = family(job.pid)
    os.killpg(job.pid, signal.SIGKILL)
    kill_all(everything)
    job.communicate()


@pytest.mark.slow
def test_one_process_killed_again_and_again(artwork: Path, clean: Rows, tmp_path: Path) -> None:
    kill_often(artwork, tmp_path, times=3, seed=1)
    run(tmp_path, artwork)
    assert rows(tmp_path) == clean


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_one_process_killed_very_often(seed: int, artwork: Path, clean: Rows, tmp_path: Path) -> None:
    kill_often(artwork, tmp_path, times=12, seed=seed)
    run(tmp_path, artwork)
    assert rows(tmp_path) == clean


def kill_often(
    artwork: Path,
    store: Path,
    times: int,
    seed: int,
    settings: dict[str, Any] = SLOW,
    table: str = "image_embedding",
) -> None:
    """Kill at any moment from before the lease is taken to the commit of a few parts."""
    moments = random.Random(seed)
    with Reader(store):
        for n in range(times):
            committed = parts(store, table)
            job = start(store, artwork, settings)
            enough = committed + moments.randint(0, 4) if n else 1
            wait_until(lambda job=job, enough=enough: job.poll() is not None or parts(store, table) >= enough)
            time.sleep(moments.uniform(0, 0.3 if parts(store, table) > committed else 3))
            kill(job)


@pytest.mark.slow
def test_a_worker_and_then_the_driver(artwork: Path, clean: Rows, tmp_path: Path) -> None:
    """On a Ray of its own: the run survives the worker; what survives the driver ends by itself, at once."""
    with Reader(tmp_path):
        job = start(tmp_path, artwork, ON_RAY)
        wait_until(lambda: parts(tmp_path) >= 2)
        victim = workers(job.pid)[0]
        victim.kill()
        committed = parts(tmp_path)
        wait_until(lambda: parts(tmp_path) > committed + 1 and len(workers(job.pid)) == 2)
        assert victim not in alive(workers(job.pid))
        left = family(job.pid)
        held = shared_memory(left)
        kill(job)
        run(tmp_path, artwork)
    assert rows(tmp_path) == clean
    wait_until(lambda: not alive(left) and not any(map(Path.exists, held)), seconds=20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_anything_on_ray_killed_at_any_moment(seed: int, artwork: Path, clean: Rows, tmp_path: Path) -> None:
    moments = random.Random(seed)
    left: list[psutil.Process] = []
    held: set[Path] = set()
    with Reader(tmp_path):
        for victim in moments.sample(["driver", "driver", "worker", "everything"], 4):
            committed = parts(tmp_path)
            job = start(tmp_path, artwork, {**ON_RAY, "embed.seconds": 0.1})
            enough = committed + moments.randint(0, 3)
            wait_until(lambda job=job: job.poll() is not None or workers(job.pid))
            wait_until(lambda job=job, enough=enough: job.poll() is not None or parts(tmp_path) >= enough)
            time.sleep(moments.uniform(0, 1))
            left += family(job.pid)
            held |= shared_memory(left)
            if victim == "worker":
                kill_all(workers(job.pid)[:1])
                time.sleep(moments.uniform(0, 4))
            kill_everything(job) if victim == "everything" else kill(job)
        run(tmp_path, artwork)
    assert rows(tmp_path) == clean
    wait_until(lambda: not alive(left) and not any(map(Path.exists, held)), seconds=20)


@pytest.mark.slow
def test_real_models_killed_in_every_phase(tmp_path: Path) -> None:
    """Embeddings, labels, tags and descriptions of the default profile."""
    artwork, store = add_broken(catalogue(tmp_path / "artwork", 12)), tmp_path / "killed"
    real = {
        "embed": '{backend = "open_clip_image", model = "bundled:clip", dtype = "float32"}',
        "describe": '{backend = "transformers_captioner", model = "bundled:captioner", dtype = "float32", '
        "max_new_tokens = 12}",
    }
    run(tmp_path / "clean", artwork, real)
    with Reader(store):
        for table, count in (("image_embedding", 2), ("text_embedding", 1), ("description", 2), ("description", 3)):
            job = start(store, artwork, real)
            wait_until(lambda table=table, count=count: parts(store, table) >= count, seconds=240)
            kill(job)
        run(store, artwork, real)
    numbers = {"embedding", "score", "probability"}
    expected = rows(tmp_path / "clean", without=numbers)
    assert rows(store, without=numbers) == expected
    assert all(expected[table] for table in ("image_embedding", "text_embedding", "image_tag", "description"))
