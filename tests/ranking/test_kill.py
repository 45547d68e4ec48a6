"""Real processes: a run that is killed at any moment, and run again, ends with the rankings of one clean run."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.rankers import tiny_lms
from tests.ranking import stores

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
KEY = ("prompt_id", "model_key", "artwork_id")


@pytest.fixture(scope="module")
def prompted(tmp_path_factory):
    return stores.with_prompts(tmp_path_factory.mktemp("world"), impressions=300)


def start(store, model, executor="local", **more):
    given = {
        "store": store,
        "rank.models": f'["{model}"]',
        "rank.rankers": '["random", "llm"]',
        "rank.split": "all",
        "rank.shard_prompts": 10,
        "rank.llm.cpus": 1,
        "rank.llm.dtype": "float32",
        "run.executor": executor,
        **more,
    }
    flags = [f"--set={name}={value}" for name, value in given.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.rank", *flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(store, model, executor="local", **more):
    job = start(store, model, executor, **more)
    said, _ = job.communicate(timeout=500)
    assert job.returncode == 0, said
    assert "Traceback" not in said, said
    return said


def same(store, other):
    """The same rows in both, each once; what was computed in other company differs in its last digits alone."""
    one, two = stores.rows(store), stores.rows(other)
    assert max(Counter(tuple(row[name] for name in KEY) for row in one).values()) == 1
    assert len(one) == len(two)
    expected = {tuple(row[name] for name in KEY): row for row in two}
    for row in one:
        clean = expected[tuple(row[name] for name in KEY)]
        assert (row["rank"], row["propensity"]) == (clean["rank"], clean["propensity"])
        assert row["score"] == pytest.approx(clean["score"], abs=1e-3)


def test_killed_at_random_moments_and_run_again(prompted, tmp_path):
    model = tiny_lms.save(tmp_path / "model")
    for name in ("clean", "killed"):
        (tmp_path / name).mkdir()
    clean, killed = (stores.copied(prompted, tmp_path / name) for name in ("clean", "killed"))
    begun = time.monotonic()
    run(clean, model)
    whole = time.monotonic() - begun
    rng = random.Random(7)
    cut_short = 0
    for _ in range(6):
        job = start(killed, model)
        try:
            job.communicate(timeout=whole * rng.uniform(0.2, 0.9))
        except subprocess.TimeoutExpired:
            job.kill()
            job.communicate()
            cut_short += 1
    assert cut_short
    run(killed, model)
    same(killed, clean)
    assert not list(killed.rglob(".*.tmp"))


def test_on_ray_the_rankings_are_those_of_one_process(prompted, tmp_path):
    model = tiny_lms.save(tmp_path / "model")
    for name in ("local", "ray"):
        (tmp_path / name).mkdir()
    local, ray = (stores.copied(prompted, tmp_path / name) for name in ("local", "ray"))
    run(local, model, **{"rank.prior": "pride"})
    said = run(ray, model, "ray", **{"rank.prior": "pride", "rank.llm.workers": 2})
    assert "llm:model prior" in said
    query = (
        "SELECT DISTINCT prompt_id, artwork_id, rank FROM ranking WHERE NOT starts_with(model_key, 'llm') ORDER BY ALL"
    )
    assert stores.rows(ray, query) == stores.rows(local, query)
    query = "SELECT prompt_id, artwork_id, score FROM ranking WHERE starts_with(model_key, 'llm') ORDER BY ALL"
    for one, other in zip(stores.rows(ray, query), stores.rows(local, query), strict=True):
        assert one["score"] == pytest.approx(other.pop("score"), abs=1e-3)
        assert one["artwork_id"] == other["artwork_id"]
