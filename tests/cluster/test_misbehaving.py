"""Pictures that kill a worker, hang it, or are refused by the model; workers that die between commit and report."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from catalogues import BLUE, GREEN, RED, catalogue, environment, paint, rows, run, runs
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
        for _, uri, stage, _, reason, _, _, attempts in found["quarantine"]
    ]
    assert len(dict(told)) == len(told)
    return dict(told)


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


DIES_AFTER_ITS_COMMITS = """
import hashlib, json, os, sys
from pathlib import Path
import pyarrow as pa
from featurize import config, images, phases, plan, ray_run
from featurize.tables import Origin
from featurize.lease import Lease
from featurize.models import model_key
from featurize.run import Phase
from featurize.store import Store

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
settings = config.load("local", ["embed={backend = 'fake'}", "describe=null"])
files = sorted(Path(folder).rglob("*.png"))
items = [{"key": hashlib.sha256(f.read_bytes()).hexdigest(), "source": str(f), "attempts": 0} for f in files]
limits = images.Limits()
key, decode_key = model_key(phases.fingerprint_of(settings.embed)), model_key(plan.decoder(limits))
moved = []
with Lease(store, "featurize", "run") as lease:
    ray_run.start()
    origin = Origin("run", "test")
    phase = Phase(
        "embed", settings.embed, "image_embedding", key, decode_key, limits, 1, 1, 0.5, store, lease.fence, origin
    )
    executor = ray_run.RayExecutor(phase, moved.append, workers=1, stall_seconds=60)
    outcomes = list(executor.outcomes(plan.shards(pa.Table.from_pylist(items), key, 8)))
done, bad = sum(o.done for o in outcomes), sum(o.quarantined.total() for o in outcomes)
print(json.dumps({"done": done, "bad": bad, "moved": sum(moved)}))
"""


@pytest.mark.slow
def test_workers_that_die_between_a_commit_and_their_report(tmp_path: Path, ray_cluster: Cluster) -> None:
    """Once after a quarantine part, once after a part of features: nothing is lost, counted or done twice."""
    artwork, store = catalogue(tmp_path / "artwork", 20), tmp_path / "store"
    (artwork / "words.png").write_bytes(b"no picture")
    job = subprocess.run(
        [sys.executable, "-c", DIES_AFTER_ITS_COMMITS, artwork, store],
        env=environment(ray_cluster.address),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert job.returncode == 0, job.stderr
    assert len(list(tmp_path.glob("store.died-after-*"))) == 2
    found = rows(store)
    assert len({row[0] for row in found["image_embedding"]}) == len(found["image_embedding"]) == 20
    assert len(found["quarantine"]) == 1
    (told,) = [json.loads(line) for line in job.stdout.splitlines() if line.startswith("{")]  # Ray talks too
    assert told == {"done": 20, "bad": 1, "moved": 21}
