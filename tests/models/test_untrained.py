import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from featurize import untrained
from featurize.errors import RefusedInput


@pytest.mark.parametrize(
    ("build", "file", "digest"),
    [
        (untrained.build_clip, "open_clip_model.safetensors", "ebbac581183a"),
        (untrained.build_captioner, "model.safetensors", "63201e82e2ba"),
    ],
)
def test_a_seed_gives_the_same_bytes_everywhere(
    tmp_path: Path, build: Callable[..., None], file: str, digest: str
) -> None:
    build(tmp_path / "zero")
    build(tmp_path / "one", seed=1)
    found = [hashlib.sha256((tmp_path / name / file).read_bytes()).hexdigest()[:12] for name in ("zero", "one")]
    assert found[0] == digest != found[1]


def test_a_folder_is_built_once_and_whole(tmp_path: Path) -> None:
    folder = tmp_path / "captioner"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(untrained.build_captioner, [folder] * 4))
    assert [path.name for path in tmp_path.iterdir()] == ["captioner"]
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    untrained.build_captioner(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RefusedInput, match="name a new folder"):
        untrained.build_clip(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(RefusedInput, match="captioner, clip"):
        untrained.build("clap", tmp_path)
