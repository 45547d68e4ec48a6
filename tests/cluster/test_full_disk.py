"""A store on a disk that fills up or turns read-only: one sentence, nothing lost, and the next run goes on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogues import Reader, catalogue, error, parts, rows, run, start, wait_until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    artwork, store = catalogue(tmp_path / "artwork", 40), small_disk / "store"
    with Reader(store):
        said = run(store, artwork, {"run.shard_images": 1}, code=1)
        assert "No space left on device" in error(said)
        assert 0 < parts(store) < 40
        # A store that is full to the last byte: not even the lease fits.
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1024)):
                    pass
            except OSError:
                pass
        assert "No space left on device" in error(run(store, artwork, code=1))
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
        run(store, artwork, {"run.shard_images": 1})
    run(tmp_path / "clean", artwork)
    assert rows(store) == rows(tmp_path / "clean")
    assert not list(small_disk.rglob("*.tmp"))


def remount(disk: Path, how: str) -> bool:
    """False while a file on it is open for writing."""
    done = subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.slow
def test_a_disk_that_turns_read_only_keeps_its_first_error(small_disk: Path, tmp_path: Path) -> None:
    """What is told is the part that could not be written, not the row of the run or the lease after it."""
    remount(small_disk, "size=8m")
    artwork, store = catalogue(tmp_path / "artwork", 40), small_disk / "store"
    job = start(store, artwork, {"run.shard_images": 2, "embed.seconds": 0.1})
    wait_until(lambda: parts(store) >= 2)
    wait_until(lambda: remount(small_disk, "ro"))
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "Traceback" not in said
    assert f"cannot write {store}/image_embedding/" in error(said)
    assert "Read-only file system" in error(said)
    remount(small_disk, "rw")
    run(store, artwork)
    assert len(rows(store)["image_embedding"]) == 40
