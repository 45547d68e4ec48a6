import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from featurize.errors import RefusedInput
from featurize.inference.weights import read_scalar, resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "personal-artwork" / "digests"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    save_file({"a": np.zeros(300_000, np.float32)}, made / "model.safetensors")
    for name in ("config.json", "tokenizer.json", "chat_template.jinja", "merges.txt", "README.md"):
        (made / name).write_text("{}")
    return made


def identity(folder: Path) -> dict[str, Any]:
    return resolve(str(folder), None, "config.json").identity


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja", "merges.txt"])
def test_identity_follows_every_file_that_changes_numbers(folder: Path, name: str) -> None:
    before = identity(folder)
    (folder / name).write_text('{"changed": 1}')
    changed = identity(folder)
    (folder / name).rename(folder / f"other-{name}")
    (folder / "config.json").touch()
    assert len({str(each) for each in (before, changed, identity(folder))}) == 3


def test_identity_does_not_follow_the_place_or_the_words_about_it(folder: Path) -> None:
    before = identity(folder)
    (folder / "README.md").write_text("more words")
    moved = folder.rename(folder.with_name("elsewhere"))
    assert identity(moved) == resolve(f"local-dir:{moved}", None, "config.json").identity == before


def test_big_files_are_hashed_once_until_they_change(folder: Path, cache: Path) -> None:
    before = identity(folder)
    (remembered,) = cache.iterdir()
    remembered.write_text("0" * 64)
    assert identity(folder) != before  # so what is remembered is used

    weights = folder / "model.safetensors"
    stat = weights.stat()
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size, same mtime, other numbers
    changed = identity(folder)
    data[-1] ^= 1
    weights.write_bytes(data)
    assert identity(folder) == before != changed


def test_identity_is_the_same_from_many_threads_and_without_a_cache(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(identity, [folder] * 32))
    assert all(each == found[0] for each in found)
    assert [len(path.read_text()) for path in cache.iterdir()] == [64]
    (folder / "no-folder").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "no-folder"))
    assert identity(folder) == found[0]


def test_what_is_not_safetensors_is_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(RefusedInput, match="pickled"):
        identity(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(RefusedInput, match="no weights"):
        identity(folder)


def index(**shards: Any) -> str:
    return json.dumps({"metadata": {}, "weight_map": shards})


def test_an_index_of_shards_beside_it_is_taken(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(index(a="model.safetensors"))
    before = identity(folder)
    (folder / "model.safetensors.index.json").write_text(index(a="model.safetensors", b="model.safetensors"))
    assert identity(folder) != before


ELSEWHERE = "; only safetensors in that folder itself are loaded"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("model.safetensors.index.json", index(a="evil.bin"), f"points at 'evil.bin'{ELSEWHERE}"),
        ("model.safetensors.index.json", index(a="model.safetensors", b="evil.pt"), f"'evil.pt'{ELSEWHERE}"),
        ("model.safetensors.index.json", index(a="../other/model.safetensors"), ELSEWHERE),
        ("model.safetensors.index.json", index(a="sub/model.safetensors"), ELSEWHERE),
        ("model.safetensors.index.json", index(a="/model.safetensors"), ELSEWHERE),
        ("model.safetensors.index.json", index(a=".."), ELSEWHERE),
        ("model.safetensors.index.json", index(a=["model.safetensors"]), ELSEWHERE),
        ("model.safetensors.index.json", index(a="absent.safetensors"), "absent.safetensors', which is not there"),
        ("pytorch_model.bin.index.json", index(a="pytorch_model-1.bin"), f"'pytorch_model-1.bin'{ELSEWHERE}"),
        ("diffusion.safetensors.index.json", index(a="evil.ckpt"), ELSEWHERE),
        ("model.safetensors.index.json", "{", "is not readable as JSON"),
        ("model.safetensors.index.json", "[" * 100_000, "is not readable as JSON"),
        ("model.safetensors.index.json", "[]", "is not a JSON object"),
        ("model.safetensors.index.json", "{}", "has no weight_map"),
        ("config.json", '{"transformers_weights": "adapter_model.bin"}', f"'adapter_model.bin'{ELSEWHERE}"),
        ("config.json", '{"transformers_weights": "sub/model.safetensors"}', ELSEWHERE),
        ("adapter_config.json", '{"base_model_name_or_path": "elsewhere"}', "merge it into those first"),
    ],
)
def test_a_file_that_points_at_other_weights_is_refused(folder: Path, name: str, text: str, words: str) -> None:
    (folder / "sub").mkdir()
    for other in (
        "evil.bin",
        "evil.pt",
        "evil.ckpt",
        "pytorch_model-1.bin",
        "adapter_model.bin",
        "sub/model.safetensors",
    ):
        (folder / other).write_bytes(b"pickled")
    (folder / name).write_text(text)
    with pytest.raises(RefusedInput, match=re.escape(words)) as told:
        identity(folder)
    assert str(folder / name) in str(told.value)


@pytest.mark.parametrize(
    ("model", "revision", "words"),
    [
        ("base-models/all-minilm-l6-v2", None, "`make text-model` or `make base-model` fetches it"),
        ("some/where/else", None, "neither a folder"),
        ("bundled:nothing", None, "nothing"),
        ("local-dir:nowhere", None, "nowhere"),
        ("owner/name", None, "revision"),
        ("hf-hub:owner/name", None, "revision"),
    ],
)
def test_a_wrong_name_is_refused(model: str, revision: str | None, words: str) -> None:
    with pytest.raises(RefusedInput, match=words):
        resolve(model, revision, "config.json")


def test_a_folder_without_its_config_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(RefusedInput, match=r"config\.json"):
        identity(folder)


def test_a_commit_needs_no_hub() -> None:
    assert resolve("owner/name", COMMIT, "config.json").identity == {"repo": "owner/name", "commit": COMMIT}


@pytest.mark.slow
def test_a_branch_and_its_files_come_from_the_local_cache_when_the_hub_is_out_of_reach(
    tmp_path: Path, folder: Path
) -> None:
    repo = tmp_path / "hub" / "models--owner--name"
    (repo / "snapshots").mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    folder.rename(repo / "snapshots" / COMMIT)
    script = """
import json, sys
from featurize.errors import RefusedInput
from featurize.inference.weights import resolve
try:
    weights = resolve("owner/name", sys.argv[1], "config.json")
    print(json.dumps([weights.identity, str(weights.fetch(["*.safetensors", "*.json"]))]))
except RefusedInput as error:
    print(json.dumps(["refused", str(error)]))
"""
    # The hub client reads its settings once, when it is imported.
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}

    def ask(revision: str) -> Any:
        command = [sys.executable, "-c", script, revision]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return json.loads(done.stdout)

    snapshot = str(repo / "snapshots" / COMMIT)
    assert ask("main") == ask(COMMIT) == [{"repo": "owner/name", "commit": COMMIT}, snapshot]
    refused, sentence = ask("v2")
    assert refused == "refused"
    assert "owner/name" in sentence
    assert "v2" in sentence
    assert ask("f" * 40)[0] == "refused"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_one_number_is_read_without_the_rest(tmp_path: Path, dtype: str) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file(
        {"a": torch.ones(3), "scale": torch.tensor(4.6052, dtype=getattr(torch, dtype)), "z": torch.ones(2)}, path
    )
    assert read_scalar(path, "scale") == pytest.approx(4.6052, rel=5e-3)
    with pytest.raises(RefusedInput, match="bias"):
        read_scalar(path, "bias")
