"""Small catalogues, the job as a real process, and what it committed: shared by the tests of this folder."""

import glob
import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import psutil
from PIL import Image

from featurize.storage import tables
from featurize.storage.store import Store

TABLES = (
    "artwork",
    "model",
    "image_embedding",
    "text_embedding",
    "image_tag",
    "description",
    "damage",
    "quarantine",
    "clip",
    "clip_description",
    "transcript",
    "sound_description",
)
OF_THE_RUN = ("computed_at", "seen_at", "run_id", "code_version")
FAKE = {"embed": '{backend = "fake"}', "describe": "null", "text": "null", "run.shard_images": 4}
RAY_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}
"""What the Ray that the tests share, and the jobs on it, know of each other."""
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def paint(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def catalogue(folder: Path, count: int) -> Path:
    """`count` pictures of different colours, none of them red, green or blue."""
    for i in range(count):
        paint(folder / f"title {i // 5}" / f"{i}.png", (i % 256, i // 256, 77))
    return folder


def add_broken(folder: Path) -> Path:
    """Three files that end in quarantine, for three reasons."""
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(whole, "PNG")
    (folder / "empty.png").write_bytes(b"")
    (folder / "words.jpg").write_bytes(b"these are words and no picture")
    (folder / "half.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    return folder


OF_CLIPS = {"embed": "null", "describe_clips": '{backend = "fake_clip", frames = 2}', "run.shard_images": 2}
"""Settings for a catalogue of clips."""


def command(store: Path | str, artwork: Path | str, settings: dict[str, Any]) -> list[str]:
    """The featurize job in this process's Python, with the fake model and in one process unless `settings` differ."""
    chosen = {"store": store, "input.artwork": artwork, "run.executor": "local", **FAKE, **settings}
    written = {key: value if isinstance(value, str | Path) else json.dumps(value) for key, value in chosen.items()}
    return [
        sys.executable,
        "-m",
        "jobs.featurize",
        *(part for k, v in written.items() for part in ("--set", f"{k}={v}")),
    ]


def environment(ray: str | None = None) -> dict[str, str]:
    """This process's, with one thread a process, and `ray` as the cluster to use (default: the job starts its own)."""
    kept = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    return {**kept, "OMP_NUM_THREADS": "1", **({"RAY_ADDRESS": ray, **RAY_TOKEN} if ray else {})}


def start(
    store: Path | str, artwork: Path | str, settings: dict[str, Any] | None = None, ray: str | None = None
) -> subprocess.Popen[str]:
    """The job in a session, and so a process group, of its own."""
    return subprocess.Popen(
        command(store, artwork, settings or {}),
        env=environment(ray),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(
    store: Path | str,
    artwork: Path | str,
    settings: dict[str, Any] | None = None,
    ray: str | None = None,
    code: int = 0,
) -> str:
    """What the job says; it must end with exit code `code` and without a traceback."""
    job = start(store, artwork, settings, ray)
    said, _ = job.communicate(timeout=300)
    assert job.returncode == code, said
    assert "Traceback" not in said, said
    return said


def error(said: str) -> str:
    """The one sentence with which a job failed."""
    (sentence,) = [line for line in said.splitlines() if line.startswith("error: ")]
    return sentence


def rows(store: Path | str, without: Iterable[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """All committed rows by table, sorted, less what differs from run to run and the columns `without`."""
    return {table: _rows(str(store), table, {*OF_THE_RUN, *without}) for table in TABLES}


def _rows(store: str, table: str, without: set[str]) -> list[tuple[Any, ...]]:
    with tables.connect() as db:
        if "://" in store:
            Store(store).register(db, table)
            source = table
        elif any(Path(store, table).rglob("*.parquet")):
            source = f"read_parquet('{store}/{table}/**/*.parquet')"
        else:
            return []
        columns = ", ".join(name for name in tables.contract(table).schema.names if name not in without)
        found = db.sql(f"SELECT {columns} FROM {source} ORDER BY ALL").to_arrow_table()
        return [tuple(row.values()) for row in found.to_pylist()]


def runs(store: Path | str) -> list[dict[str, Any]]:
    """The rows of table `run` in order, with `counts` as an object; of a run that has ended, the row that says how."""
    with tables.connect() as db:
        Store(str(store)).register(db, "run")
        found = db.sql("SELECT * FROM run WHERE outcome <> 'started' ORDER BY started_at").to_arrow_table().to_pylist()
    return [{**row, "counts": json.loads(row["counts"])} for row in found]


class Reader:
    """Keeps reading every table through the plain glob, as an analyst might; at its end nothing wrong was seen."""

    def __init__(self, store: Path) -> None:
        self.store, self.reads, self.wrong = store, 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        assert not self.wrong, self.wrong
        assert self.reads > 0

    def finish(self) -> None:
        """Returns when what is being read has been, so that no listing is in use that was made before."""
        begun = self.reads
        wait_until(lambda: self.reads > begun)

    def _read(self) -> None:
        while not self._stop.wait(0.1):
            for table in (*TABLES, "run"):
                if any(glob.iglob(f"{self.store}/{table}/**/*.parquet", recursive=True)):
                    self._read_table(table)

    def _read_table(self, table: str) -> None:
        key = ", ".join(tables.contract(table).key)
        source = f"read_parquet('{self.store}/{table}/**/*.parquet')"
        try:
            with tables.connect() as db:
                db.sql(f"SELECT * FROM {source}").to_arrow_table()
                twice = db.execute(f"SELECT {key} FROM {source} GROUP BY ALL HAVING count(*) > 1").fetchall()
                self.wrong += [(table, "twice", row) for row in twice]
        except duckdb.Error as problem:
            self.wrong.append((table, str(problem)))
        self.reads += 1


def wait_until(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return found


def family(pid: int) -> list[psutil.Process]:
    """All that descends from a process; empty when it is gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def shared_memory(processes: Iterable[psutil.Process]) -> set[Path]:
    """The files in /dev/shm that processes hold. (Other programs on the machine have some there, too.)"""
    held = set()
    for process in processes:
        with suppress(OSError):  # it has ended
            lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
            held |= {Path(line[line.index("/dev/shm/") :]) for line in lines if "/dev/shm/" in line}
    return held


def workers(pid: int) -> list[psutil.Process]:
    """The actors among the descendants of a process."""
    return [process for process in family(pid) if _title(process).startswith("ray::Worker")]


def _title(process: psutil.Process) -> str:
    try:
        return "".join(process.cmdline()[:1])
    except psutil.Error:
        return ""


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL to each that is still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def parts(store: Path, table: str = "image_embedding") -> int:
    """How many parts of a table are committed."""
    return sum(1 for _ in store.joinpath(table).rglob("*.parquet"))
