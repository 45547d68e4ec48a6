"""What a title is known by: vectors by name, made of the store's rows; and the controls that must not be as good.

Each block of vectors is centred on the titles that have one, and of mean square length 1, so that blocks count alike
when they are joined. A title without a vector is at the centre. Controls: `shuffled` deals another feature's vectors
out to other titles, `random` are as many normal numbers; both tell titles apart, as an id does, and say nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from featurize.inference.features import matrix
from featurize.storage import tables
from featurize.storage.tables import sql

Vectors = NDArray[np.float32]
ID = "id"
WITH_ID = "id+"
"""Before a name: an id is added to what the vectors are projected to."""
CONTROLS = ("shuffled", "random")
SOURCES = {"clip": "pictures"}
"""By feature, the query that gives title_no and embedding."""
_STREAM = 977


@dataclass(frozen=True)
class Feature:
    """Vectors (titles, d), None for an id alone, and which titles have one. `with_id`: an id is added."""

    name: str
    vectors: Vectors | None
    known: NDArray[np.bool_]
    with_id: bool


def feature(db: duckdb.DuckDBPyConnection, name: str, titles: int, models: dict[str, str]) -> Feature | None:
    """The feature of that name, None where the store has no vector for it. `models`: current model key by table.

    `db` has the store's views and table `title_number` (title_id, title_no).
    """
    plain = name.removeprefix(WITH_ID)
    if plain == ID:
        return Feature(name, None, np.ones(titles, bool), True)
    found = _control(db, plain, titles, models) if plain in CONTROLS else _known(db, plain, titles, models)
    if found is None:
        return None
    vectors, known = found
    return Feature(name, vectors, known, plain != name)


def _known(
    db: duckdb.DuckDBPyConnection, name: str, titles: int, models: dict[str, str]
) -> tuple[Vectors, NDArray[np.bool_]] | None:
    found = block(db, name, titles, models)
    return None if found is None else (standard(*found), found[1])


def block(
    db: duckdb.DuckDBPyConnection, name: str, titles: int, models: dict[str, str]
) -> tuple[Vectors, NDArray[np.bool_]] | None:
    """Mean vector of each title (titles, d), and which titles have one; None where there is none at all."""
    key = models.get("image_embedding", "")
    rows = tables.arrow(db, sql("recommending", SOURCES[name]), {"model_key": key})
    if not rows.num_rows:
        return None
    each, title = matrix(rows["embedding"]), rows["title_no"].to_numpy()
    sums = np.zeros((titles, each.shape[1]))
    np.add.at(sums, title, each)
    known = np.bincount(title, minlength=titles) > 0
    return unit(sums).astype(np.float32), known


def _control(
    db: duckdb.DuckDBPyConnection, name: str, titles: int, models: dict[str, str]
) -> tuple[Vectors, NDArray[np.bool_]] | None:
    """Made of the first source that is there: as wide, and known of as many titles."""
    found = next(filter(None, (_known(db, source, titles, models) for source in SOURCES)), None)
    if found is None:
        return None
    vectors, known = found
    random = np.random.default_rng([_STREAM, titles])
    if name == "shuffled":
        order = random.permutation(titles)
        return vectors[order], known[order]
    drawn = unit(random.standard_normal(vectors.shape)).astype(np.float32)
    return standard(drawn, np.ones(titles, bool)), np.ones(titles, bool)


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Rows of length 1; those of length 0 stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def standard(vectors: Vectors, known: NDArray[np.bool_]) -> Vectors:
    """Centred, and of mean square length 1, by the known rows; the others are 0."""
    centred = np.where(known[:, None], vectors - vectors[known].mean(axis=0), 0)
    size = np.sqrt((centred[known] ** 2).sum(axis=1).mean())
    return (centred / (size if size > 0 else 1)).astype(np.float32)
