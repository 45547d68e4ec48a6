"""Nights and compactions killed at random moments, day after day: the tables are those of the same days without a kill.

`SOAK_KILLS=200 .venv/bin/python -m pytest -m slow tests/nightly/test_soak.py` kills more often than the slow tests do;
`SOAK_SEED` chooses other moments.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from PIL import Image

from featurize.storage import tables, views
from jobs import cli, vacuum
from tests.nightly import nights
from tests.nightly.test_night import found

KILLS, SEED = int(os.environ.get("SOAK_KILLS", "8")), int(os.environ.get("SOAK_SEED", "0"))
FIRST = datetime.now(UTC).date() - timedelta(days=KILLS + 2)
LOGGED, MORE = 40, 3
SLOW = {"embed": '{backend = "fake", seconds = 0.02}'}


def days(folder) -> Iterator[str]:
    """Day after day, as long as somebody asks: a new picture, an old one replaced, a few more impressions."""
    made = nights.world(folder, impressions=LOGGED + MORE * (KILLS + 2))
    logged = made.impression
    spare = made.artwork[-1]
    for number in range(KILLS + 2):
        made.impression = logged[: LOGGED + MORE * number]
        nights.write(folder, made)
        for artwork in (spare, made.artwork[number % 20]):
            colour = (255 - number % 256, number // 256, 9)
            Image.new("RGB", (9, 9), colour).save(folder / "artwork" / f"{artwork['artwork_id']}.png")
        yield str(FIRST + timedelta(days=number))


def start(folder, job: str, day: str) -> subprocess.Popen:
    if job == "nightly":
        return nights.start(folder, nightly__date=day, **SLOW)
    command = [sys.executable, "-m", "jobs.compact", f"--set=store={folder}/store"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def twice(folder) -> list[str]:
    """Tables in which a key is there more than once, by the plain glob."""
    wrong = []
    for table in views.TABLES:
        if any(folder.glob(f"store/{table}/**/*.parquet")):
            key = ", ".join(tables.contract(table).key)
            glob = f"read_parquet('{folder}/store/{table}/**/*.parquet', union_by_name = true)"
            wrong += [table] * len(duckdb.sql(f"SELECT {key} FROM {glob} GROUP BY ALL HAVING count(*) > 1").fetchall())
    return wrong


@pytest.mark.slow
@pytest.mark.timeout(300 + 60 * KILLS)
def test_killed_at_any_moment_day_after_day(tmp_path):
    moments, killed, whole = random.Random(SEED), 0, {"nightly": 6.0, "compact": 3.0}
    clean = tmp_path / "clean"
    for day in days(tmp_path):
        if not clean.exists():  # from the same descriptions
            shutil.copytree(tmp_path / "store", clean / "store")
        assert nights.run(tmp_path, nightly__date=day, store=clean / "store") == 0
        done = False
        while killed < KILLS and not done:
            job = moments.choice(["nightly"] * 5 + ["compact"])
            begun = time.monotonic()
            running = start(tmp_path, job, day)
            try:
                said = running.communicate(timeout=moments.uniform(0, 1.1) * whole[job])
                assert running.returncode == 0, said
                done, whole[job] = job == "nightly", time.monotonic() - begun
            except subprocess.TimeoutExpired:
                running.kill()
                running.communicate()
                killed += 1
            assert not twice(tmp_path)
        if killed == KILLS:
            break
    assert nights.run(tmp_path, nightly__date=day) == 0
    assert found(tmp_path) == found(clean)
    for rest in tmp_path.glob("store/_lease/*"):  # of one that was killed as it wrote its lease
        os.utime(rest, (0, 0))
    assert cli.main("vacuum", "doc", vacuum.vacuum, [f"--set=store={tmp_path}/store"]) == 0
    assert not list(tmp_path.glob("store/_lease/*"))
