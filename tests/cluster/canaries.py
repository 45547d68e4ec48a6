"""Secrets planted in the environment, and where they are found again."""

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "cn1/rXUtn+FEMI4fH",
    "AWS_SESSION_TOKEN": "cn2=with'quotes\"and\\slashes",
    "SOMEBODYS_API_KEY": "cn3-4fHpQz81",
    "SECRET_NUMBER": "cn4-99120417",
    "HF_TOKEN": "cn5-hfhfhf99",
}
"""By the variable that holds it."""


def spelled_in(text: str, canaries: Iterable[str]) -> list[str]:
    """The spellings of canaries that are in a text: as they are, as JSON and as Python writes them."""
    spellings = [spelling for canary in canaries for spelling in (canary, json.dumps(canary)[1:-1], repr(canary)[1:-1])]
    return [spelling for spelling in spellings if spelling in text]


def tell_tales(folder: Path, canaries: Iterable[str]) -> list[str]:
    """The files in a folder that hold a canary, each with its spelling; of Parquet also in the values."""
    canaries, found = [*canaries], []
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text += str(pq.read_table(path).to_pylist())
        found += [f"{path.name}: {spelling}" for spelling in spelled_in(text, canaries)]
    return found
