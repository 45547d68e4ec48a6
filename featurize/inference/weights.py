"""Which weights a model setting means, and where they are on this machine.

A setting is `bundled:<name>`, a local folder, or a hub id with a revision. Invariants: `Weights.identity` changes when
a file that can change the numbers does, never with the place the files lie in, and needs no torch; only safetensors are
ever fetched or loaded, and only those that lie in the folder itself, whatever its other files point at.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featurize.errors import RefusedInput, did_you_mean

ADAPTER = "adapter_config.json"
"""What describes an adapter (PEFT), and names the weights it is for."""
FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
"""What is needed of a repository with a model that transformers loads, tokenizer and all."""
FETCHED = "base-models"
"""Folder of the weights that make fetches from the package registry."""
_TOKENIZER = ("tokenizer*", "chat_template*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt")
_BUNDLED = Path(__file__).parents[1] / "bundled"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_CHANGES_NUMBERS = {".safetensors", ".json", ".jinja", ".txt", ".model", ".py"}
_PICKLED = {".bin", ".pt", ".pth", ".ckpt"}
_WORTH_REMEMBERING = 1 << 20  # bytes; smaller files are hashed each time


@dataclass(frozen=True)
class Weights:
    """A local folder with the digest of its files, or a hub repository at one commit."""

    folder: Path | None
    digest: str | None
    repo: str | None
    commit: str | None
    config: str

    @property
    def identity(self) -> dict[str, Any]:
        """What goes into the model key."""
        if self.folder is None:
            return {"repo": self.repo, "commit": self.commit}
        return {"sha256": self.digest}

    def fetch(self, patterns: Sequence[str]) -> Path:
        """The local folder of the files; those of a hub repository that match `patterns` are downloaded when missing.

        Errors: RefusedInput when the hub cannot give them, or they hold no safetensors.
        """
        if self.folder is not None:
            return self.folder
        assert self.repo is not None
        assert self.commit is not None
        folder = download(self.repo, self.commit, patterns)
        check_safetensors(folder, self.config)
        return folder


def resolve(model: str, revision: str | None, config: str) -> Weights:
    """Find out what `model` names. `config` is the file that must lie beside the weights, such as `config.json`.

    `model` is `bundled:<name>`, `local-dir:<folder>` or a folder that exists,
    `hf-hub:<owner/name>` or `<owner/name>`.
    A hub id needs `revision`: a commit is taken as it is, a branch or tag is looked up on the hub, or in the local
    cache when the hub is out of reach. Errors: RefusedInput for anything else, a missing file, or weights that are not
    safetensors.
    """
    schema, _, rest = model.partition(":")
    if schema == "bundled":
        known = sorted(path.parent.name for path in _BUNDLED.glob("*/tokenizer.json"))
        if rest not in known:
            near = did_you_mean(rest, known)
            raise RefusedInput(f"model 'bundled:{rest}' is unknown; there are: {', '.join(known)}{near}")
        return _folder(_BUNDLED / rest, config)
    if schema == "local-dir":
        return _folder(Path(rest).expanduser(), config)
    if model.startswith(f"{FETCHED}/") and not Path(model).is_dir():
        raise RefusedInput(f"model folder {model} is not there: `make text-model` or `make base-model` fetches it")
    repo = rest if schema == "hf-hub" else model
    if schema != "hf-hub" and (Path(model).expanduser().exists() or not _HUB_ID.fullmatch(model)):
        return _folder(Path(model).expanduser(), config)
    if revision is None:
        raise RefusedInput(f"model '{repo}' is a hub id: set its revision to a commit, so that a rerun means the same")
    commit = revision if _COMMIT.fullmatch(revision) else _commit(repo, revision, config)
    return Weights(None, None, repo, commit, config)


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer without its model: `where` is a folder, or a hub repository at `commit`."""

    where: str
    commit: str | None
    identity: dict[str, Any]
    """What goes into the model key."""


def resolve_tokenizer(name: str) -> Tokenizer:
    """Find out what `name` means: `bundled:<name>`, a folder, or `owner/name@revision`. Errors: RefusedInput."""
    folder = _BUNDLED / name.removeprefix("bundled:") if name.startswith("bundled:") else Path(name).expanduser()
    repo, at, revision = name.rpartition("@")
    if at and not folder.exists() and _HUB_ID.fullmatch(repo):
        commit = revision if _COMMIT.fullmatch(revision) else _commit(repo, revision, "tokenizer_config.json")
        return Tokenizer(repo, commit, {"repo": repo, "commit": commit})
    if not (folder / "tokenizer_config.json").is_file():
        raise RefusedInput(f"tokenizer '{name}' is neither a folder with tokenizer_config.json nor owner/name@revision")
    files = {path for pattern in _TOKENIZER for path in folder.glob(pattern) if path.is_file()}
    return Tokenizer(str(folder), None, {"sha256": _digest(files)})


def download(repo: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """The local snapshot of a hub repository, limited to files that match `patterns`. Errors: RefusedInput."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        # Some repositories have an index of pickled shards beside the other, which nobody here follows.
        others = ["*.bin.index.json", ADAPTER]
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(patterns), ignore_patterns=others))
    except (OSError, HFValidationError) as error:
        raise RefusedInput(_unreachable(repo, revision or "main")) from error


def check_safetensors(folder: Path, config: str) -> None:
    """Errors: RefusedInput when the folder has no safetensors, or a file of it points at anything else.

    The files that can are an index of shards, `config` (transformers follows its `transformers_weights`), and the
    description of an adapter, which names its base model.
    """
    suffixes = {path.suffix for path in folder.iterdir()}
    if ".safetensors" not in suffixes:
        other = "only pickled weights; convert them to safetensors" if suffixes & _PICKLED else "no weights"
        raise RefusedInput(f"{folder} holds {other}")
    if config != ADAPTER and (folder / ADAPTER).exists():
        raise RefusedInput(f"{folder}/{ADAPTER} makes it an adapter of other weights: merge it into those first")
    named = None
    with suppress(RefusedInput):  # a config that is none is for the library that loads it to refuse
        named = _read_json(folder / config).get("transformers_weights")
    if named is not None:
        _refuse_elsewhere(folder / config, named, (".safetensors", ".safetensors.index.json"))
    for index in sorted(folder.glob("*.index.json")):
        shards = _read_json(index).get("weight_map")
        if not isinstance(shards, dict):
            raise RefusedInput(f"{index} has no weight_map from tensors to files")
        for name in sorted(set(map(str, shards.values()))):
            _refuse_elsewhere(index, name, (".safetensors",))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedInput(f"{path} is not readable as JSON ({error})") from error
    if not isinstance(found, dict):
        raise RefusedInput(f"{path} is not a JSON object")
    return found


def _refuse_elsewhere(source: Path, name: object, endings: tuple[str, ...]) -> None:
    if not isinstance(name, str) or Path(name).name != name or "\\" in name or not name.endswith(endings):
        raise RefusedInput(f"{source} points at {str(name)[:100]!r}; only safetensors in that folder itself are loaded")
    if not (source.parent / name).is_file():
        raise RefusedInput(f"{source} points at {name[:100]!r}, which is not there")


def read_scalar(path: Path, name: str) -> float:
    """One number out of a safetensors file, without loading the rest. Format: huggingface.co/docs/safetensors.

    Errors: RefusedInput when there is no such number.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size)).get(name)
        if entry is None or entry["dtype"] not in ("F32", "F16", "BF16"):
            raise RefusedInput(f"{path} has no number '{name}'")
        file.seek(8 + size + entry["data_offsets"][0])
        data = file.read(4 if entry["dtype"] == "F32" else 2)
    if entry["dtype"] == "BF16":
        data = b"\0\0" + data  # the upper half of a float32
    return float(np.frombuffer(data, "<f2" if entry["dtype"] == "F16" else "<f4")[0])


def _folder(folder: Path, config: str) -> Weights:
    if not folder.is_dir():
        raise RefusedInput(f"model '{folder}' is neither a folder nor a hub id such as owner/name")
    if not (folder / config).is_file():
        raise RefusedInput(f"model folder {folder} has no {config}")
    check_safetensors(folder, config)
    digest = _digest(path for path in folder.iterdir() if path.suffix in _CHANGES_NUMBERS)
    return Weights(folder, digest, None, None, config)


def _digest(paths: Iterable[Path]) -> str:
    """Of the names and contents of files of one folder."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name} {_file_digest(path)}\n".encode())
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    """sha256 of a file; of a big one it is remembered until its size or times change."""
    stat = path.stat()
    memory = None
    if stat.st_size >= _WORTH_REMEMBERING:
        # ctime too: copying tools keep mtime, and retrained weights have the size of the old ones.
        state = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}"
        memory = _cache() / "digests" / hashlib.sha256(state.encode()).hexdigest()
        try:
            return memory.read_text(encoding="ascii")
        except OSError:
            pass
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if memory is not None:
        _remember(memory, digest)
    return digest


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "personal-artwork"


def _remember(path: Path, digest: str) -> None:
    """One file a digest, put in place whole, so that processes need no lock. A read-only home only costs time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii", delete=False) as file:
            file.write(digest)
        os.replace(file.name, path)
    except OSError:
        pass


def _commit(repo: str, revision: str, config: str) -> str:
    """The commit a branch or tag points at, read from where the hub client puts one small file of it."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

    try:
        path = Path(hf_hub_download(repo, config, revision=revision))
    except LocalEntryNotFoundError as error:
        raise RefusedInput(_unreachable(repo, revision)) from error
    except EntryNotFoundError as error:
        raise RefusedInput(f"model '{repo}' at revision '{revision}' has no {config}") from error
    except (OSError, HFValidationError) as error:
        raise RefusedInput(_unreachable(repo, revision)) from error
    commit = path.parent.name
    assert _COMMIT.fullmatch(commit), f"{path} is not in a snapshot of the hub cache"
    return commit


def _unreachable(repo: str, revision: str) -> str:
    return (
        f"model '{repo}' at revision '{revision}' is not in the local cache and the hub did not give it: check the "
        "name and your access, or download it on a connected machine and name the folder"
    )
