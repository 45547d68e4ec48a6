"""Zero-shot tags from stored embeddings: no picture is read, so a changed label file costs only arithmetic.

A label's vector is the unit-norm mean of its phrasings' vectors; its score is the cosine with the picture's, and its
probability the softmax over the labels of the attribute (CLIP, Radford et al. 2021, section 3.1).
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from featurize.errors import RefusedInput, did_you_mean
from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

BATCH = 4096
"""Pictures whose tags make one part."""


@dataclass(frozen=True)
class Labels:
    """attribute -> label -> phrasings, and the temperature that divides the logits."""

    name: str
    temperature: float
    attributes: dict[str, dict[str, list[str]]]

    @property
    def texts(self) -> list[str]:
        """Every distinct phrasing, in the file's order."""
        phrasings = (p for labels in self.attributes.values() for texts in labels.values() for p in texts)
        return list(dict.fromkeys(phrasings))

    @property
    def digest(self) -> str:
        text = json.dumps([self.temperature, self.attributes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_labels(name: str) -> Labels:
    """A label file by its name in the folder `labels` or by path. Errors: RefusedInput naming file and key."""
    bundled = {path.stem: path for path in sorted((Path(__file__).parent / "labels").glob("*.toml"))}
    path = bundled.get(name, Path(name))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        near = did_you_mean(name, bundled)
        raise RefusedInput(f"label file '{name}' is neither a file nor one of: {', '.join(bundled)}{near}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RefusedInput(f"{path}: {error}") from error
    temperature = content.pop("temperature", 1.0)
    if not isinstance(temperature, int | float) or temperature <= 0:
        raise RefusedInput(f"{path}: temperature must be a number above 0")
    if not content:
        raise RefusedInput(f"{path}: no attributes")
    for attribute, labels in content.items():
        if not isinstance(labels, dict) or len(labels) < 2:
            raise RefusedInput(f"{path}: [{attribute}] needs two labels or more")
        for label, texts in labels.items():
            if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t.strip() for t in texts):
                raise RefusedInput(f"{path}: [{attribute}] {label} must be a list of phrasings")
    return Labels(path.stem, float(temperature), content)


def fingerprint(labels: Labels, image_key: str, text_key: str) -> dict[str, Any]:
    """Identity of a tagger: its embeddings and its label file."""
    return {"backend": "tags", "version": 1, "image": image_key, "text": text_key, "labels": labels.digest}


def missing(db: duckdb.DuckDBPyConnection, store: Store, image_key: str, tag_key: str) -> int:
    """Leaves the view-to-be `untagged` (image_sha256) in `db` and says how many pictures it has."""
    store.register(db, "image_embedding", [image_key])
    store.register(db, "image_tag", [tag_key])
    db.execute(sql("featurizing", "untagged"))
    return int(tables.scalar(db, "SELECT count(*) FROM untagged"))


def compute(
    db: duckdb.DuckDBPyConnection,
    store: Store,
    labels: Labels,
    *,
    image_key: str,
    text_key: str,
    tag_key: str,
    logit_scale: float,
    origin: Origin,
    fence: Fence,
    advance: Callable[[int], None],
) -> int:
    """Tag the pictures that `missing` found; returns how many. Errors: RunFailed."""
    vectors, names = _label_vectors(db, store, labels, text_key)
    reader = db.sql(
        "SELECT image_sha256, embedding FROM image_embedding JOIN untagged USING (image_sha256) ORDER BY image_sha256"
    ).to_arrow_reader(BATCH)
    done = 0
    for batch in _rebatched(reader):
        shas = batch["image_sha256"]
        embeddings = np.asarray(batch["embedding"].combine_chunks().flatten()).reshape(len(shas), -1)
        scores, probabilities = _score(embeddings, vectors, names, logit_scale / labels.temperature)
        count = len(names)
        rows = tables.rows(
            "image_tag",
            {
                "image_sha256": np.repeat(np.asarray(shas.to_pylist(), dtype=object), count),
                "model_key": [tag_key] * (len(shas) * count),
                "attribute": [attribute for attribute, _ in names] * len(shas),
                "label": [label for _, label in names] * len(shas),
                "score": scores.reshape(-1),
                "probability": probabilities.reshape(-1),
                **origin.columns(len(shas) * count),
                "computed_at": [datetime.now(UTC)] * (len(shas) * count),
            },
        )
        store.commit("image_tag", tag_key, part_name([tag_key, *shas.to_pylist()]), rows, check=fence.check)
        done += len(shas)
        advance(len(shas))
    return done


def _rebatched(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """DuckDB hands out what its threads have ready; parts should be of one size."""
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        if sum(part.num_rows for part in waiting) >= BATCH:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _label_vectors(
    db: duckdb.DuckDBPyConnection, store: Store, labels: Labels, text_key: str
) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Unit-norm label vectors, shape (labels, d), and their (attribute, label)."""
    store.register(db, "text_embedding", [text_key])
    by_text = {
        text: np.asarray(vector, np.float32)
        for text, vector in db.execute("SELECT text, embedding FROM text_embedding").fetchall()
    }
    names = [(attribute, label) for attribute, found in labels.attributes.items() for label in found]
    means = np.stack([np.mean([by_text[t] for t in labels.attributes[a][label]], axis=0) for a, label in names])
    return means / np.linalg.norm(means, axis=1, keepdims=True), names


def _score(
    embeddings: np.ndarray, vectors: np.ndarray, names: list[tuple[str, str]], scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and per-attribute softmax, both float32 of shape (pictures, labels)."""
    scores = embeddings @ vectors.T
    probabilities = np.empty_like(scores)
    for attribute in dict(names):
        columns = [i for i, (name, _) in enumerate(names) if name == attribute]
        logits = scale * scores[:, columns]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities[:, columns] = odds / odds.sum(axis=1, keepdims=True)
    return scores, probabilities.clip(0, 1)
