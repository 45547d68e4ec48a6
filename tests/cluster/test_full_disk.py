"""A store on a disk that fills up: one sentence, nothing lost, and the next run with room goes on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogues import Reader, catalogue, error, parts, rows, run


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
