"""Pictures that kill a worker, hang it, or are refused by the model; workers that die between commit and report."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from catalogues import BLUE, GREEN, OF_CLIPS, RED, catalogue, environment, paint, rows, run, runs
from clips import film, films, needs_ffmpeg
from conftest import Cluster

PICTURES = 9
UNWELL = {
    "run.executor": "ray",
    "run.shard_images": 3,
    "run.stall_seconds": 6,
    "embed.cpus": 1,
    "embed.segfault_on": RED,
    "embed.hang_on": GREEN,
    "embed.error_on": BLUE,
}


def reasons(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, str]:
    """File name -> stage, reason and attempts; fails when a file is there twice."""
    told = [
        (Path(uri).name, f"{stage} {reason} {attempts}")
        for _, uri, stage, _, reason, _, _, attempts, *_ in found["quarantine"]
    ]
    assert len(dict(told)) == len(told)
    return dict(told)


@pytest.mark.slow
def test_three_bad_pictures_cost_only_themselves(tmp_path: Path, ray_cluster: Cluster) -> None:
    artwork, store = catalogue(tmp_path / "artwork", PICTURES), tmp_path / "store"
    for name, colour in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        paint(artwork / f"{name}.png", colour)
    said = run(store, artwork, UNWELL, ray_cluster.address)
    assert "model_error 1, timeout 1, worker_crashed 1" in said
    first = rows(store)
    assert reasons(first) == {
        "red.png": "model worker_crashed 1",
        "green.png": "model timeout 1",
        "blue.png": "model model_error 1",
    }
    well = catalogue(tmp_path / "well", PICTURES)
    run(tmp_path / "expected", well)
    assert first["image_embedding"] == rows(tmp_path / "expected")["image_embedding"]

    run(store, artwork)
    assert rows(store) == first
    assert runs(store)[1]["counts"]["phases"][0]["new"] == 0


@needs_ffmpeg
@pytest.mark.slow
def test_three_bad_clips_cost_only_themselves(tmp_path: Path, ray_cluster: Cluster) -> None:
    artwork, store = films(tmp_path / "artwork", 3), tmp_path / "store"
    for name in ("red", "lime", "blue"):
        film(artwork / f"{name}.mp4", (name,), seconds=0.5)
    unwell = OF_CLIPS | {
        "describe_clips": '{backend = "fake_clip", frames = 2, cpus = 1, batch_size = 2, segfault_on = "300", '
        'hang_on = "030", error_on = "003"}',
        "clips.decode_seconds": 5,
        **{key: UNWELL[key] for key in ("run.executor", "run.stall_seconds")},
    }
    said = run(store, artwork, unwell, ray_cluster.address)
    assert "model_error 1, timeout 1, worker_crashed 1" in said
    first = rows(store)
    assert reasons(first) == {
        "red.mp4": "model worker_crashed 1",
        "lime.mp4": "model timeout 1",
        "blue.mp4": "model model_error 1",
    }
    run(tmp_path / "expected", films(tmp_path / "well", 3), OF_CLIPS)
    assert first["clip_description"] == rows(tmp_path / "expected")["clip_description"]
    run(store, artwork, OF_CLIPS)
    assert rows(store) == first


DIES_AFTER_ITS_COMMITS = """
import json, os, sys
from pathlib import Path
import by_hand
from featurize.execution import ray_run
from featurize.storage.lease import Lease
from featurize.storage.store import Store

folder, uri = sys.argv[1:]

class DyingStore(Store):
    def __reduce__(self):
        return DyingStore, (self.uri,)

    def commit(self, table, *rest):
        made = super().commit(table, *rest)
        if not os.path.exists(f"{self.uri}.died-after-{table}"):
            open(f"{self.uri}.died-after-{table}", "x").close()
            os._exit(1)
        return made

store = DyingStore(uri)
moved = []
with Lease(store, "featurize", "run") as lease:
    ray_run.start()
    phase, shards = by_hand.phase(store, lease.fence, Path(folder))
    outcomes = list(ray_run.RayExecutor(phase, moved.append, workers=1, stall_seconds=60).outcomes(shards))
done, bad = sum(o.done for o in outcomes), sum(o.quarantined.total() for o in outcomes)
print(json.dumps({"done": done, "bad": bad, "moved": sum(moved)}))
"""


def script(text: str, artwork: Path, store: Path, cluster: Cluster) -> Any:
    """What a program on the cluster prints as JSON; Ray talks too."""
    done = subprocess.run(
        [sys.executable, "-c", text, artwork, store],
        env={**environment(cluster.address), "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (told,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return told


@pytest.mark.slow
def test_workers_that_die_between_a_commit_and_their_report(tmp_path: Path, ray_cluster: Cluster) -> None:
    """Once after a quarantine part, once after a part of features: nothing is lost, counted or done twice."""
    artwork, store = catalogue(tmp_path / "artwork", 20), tmp_path / "store"
    (artwork / "words.png").write_bytes(b"no picture")
    told = script(DIES_AFTER_ITS_COMMITS, artwork, store, ray_cluster)
    assert len(list(tmp_path.glob("store.died-after-*"))) == 2
    found = rows(store)
    assert len({row[0] for row in found["image_embedding"]}) == len(found["image_embedding"]) == 20
    assert len(found["quarantine"]) == 1
    assert told == {"done": 20, "bad": 1, "moved": 21}


PHASES_IN_TURN = """
import json, sys
from pathlib import Path
import by_hand
from featurize.execution import ray_run
from featurize.storage.lease import Lease
from featurize.storage.store import Store

store = Store(sys.argv[2])
told = {"done": [], "idle": []}
with Lease(store, "featurize", "run") as lease:
    ray_run.start()
    for seed, cpus, workers in ((0, 1, 2), (1, 1, 1), (2, 2, 1), (3, 1, 2)):
        phase, shards = by_hand.phase(store, lease.fence, Path(sys.argv[1]), cpus, seed=seed)
        outcomes = list(ray_run.RayExecutor(phase, print, workers=workers, stall_seconds=60).outcomes(shards))
        told["done"].append(sum(o.done for o in outcomes))
        told["idle"].append([str(actor) for _, actor in ray_run._idle])
print(json.dumps(told))
"""


@pytest.mark.slow
def test_workers_go_on_to_the_next_phase_or_make_room_for_it(tmp_path: Path, ray_cluster: Cluster) -> None:
    """On a cluster of two CPUs, where a worker that stayed for nothing would hold up the next phase for ever."""
    artwork = catalogue(tmp_path / "artwork", 20)
    told = script(PHASES_IN_TURN, artwork, tmp_path / "store", ray_cluster)
    assert told["done"] == [20] * 4
    first, second, third, fourth = (set(idle) for idle in told["idle"])
    assert (len(first), len(second), len(third), len(fourth)) == (2, 1, 1, 2)
    assert second < first
    assert not third & (first | fourth)
    vectors = rows(tmp_path / "store")["image_embedding"]
    assert len({(sha, model) for sha, model, *_ in vectors}) == len(vectors) == 80
