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
TEXTS = ("description", "transcript", "sound", "title", "synopsis", "joined_text")
"""Of table `said`; `joined_text` is all that is said of a title as one text."""
JOINED = ("title", "synopsis", "description", "transcript", "sound", "clip")
"""What `joined_vectors` puts side by side, as far as it is there."""
LIKE = ("description", "clip")
"""What the controls are as wide as: the first of these that is there."""
_STREAM = 977


@dataclass(frozen=True)
class Feature:
    """Vectors (titles, d), None for an id alone, and which titles have one. `with_id`: an id is added."""

    name: str
    vectors: Vectors | None
    known: NDArray[np.bool_]
    with_id: bool

    def of_artworks(
        self, db: duckdb.DuckDBPyConnection, titles: int, models: dict[str, str]
    ) -> tuple[list[str], Vectors | None]:
        """Ids of artworks, and their vectors, standardised as those of titles; none where they have none of these."""
        plain = self.name.removeprefix(WITH_ID)
        query = {"description": "artwork_texts", "clip": "artwork_pictures"}.get(plain)
        found = None if query is None else block(db, plain, titles, models)
        if query is None or found is None:
            return [], None
        key = models.get("text_embedding" if plain == "description" else "image_embedding", "")
        rows = tables.arrow(db, sql("recommending", query), {"model_key": key})
        if not rows.num_rows:  # it is clips alone that are described
            return [], None
        return rows["artwork_id"].to_pylist(), _scaled(matrix(rows["embedding"]).astype(np.float32), *found)


def feature(db: duckdb.DuckDBPyConnection, name: str, titles: int, models: dict[str, str]) -> Feature | None:
    """The feature of that name, None where the store has no vector for it. `models`: current model key by table.

    `db` has the store's views, `title_number` (title_id, title_no), and `said` (`featurizing/sql/texts.sql`).
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
    """Standardised: one block, or those that are there side by side."""
    names = JOINED if name == "joined_vectors" else (name,)
    blocks = [found for found in (block(db, each, titles, models) for each in names) if found is not None]
    if not blocks:
        return None
    known = np.any([each for _, each in blocks], axis=0)
    whole = np.concatenate([standard(*each) for each in blocks], axis=1) / len(blocks) ** 0.5
    return whole.astype(np.float32), known


def block(
    db: duckdb.DuckDBPyConnection, name: str, titles: int, models: dict[str, str]
) -> tuple[Vectors, NDArray[np.bool_]] | None:
    """Mean vector of each title (titles, d), and which titles have one; None where there is none at all."""
    if name in TEXTS:
        given = {"model_key": models.get("text_embedding", ""), "kind": name}
        rows = tables.arrow(db, sql("recommending", "texts"), given)
    else:
        rows = tables.arrow(db, sql("recommending", "pictures"), {"model_key": models.get("image_embedding", "")})
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
    found = next(filter(None, (_known(db, source, titles, models) for source in LIKE)), None)
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
    return np.where(known[:, None], _scaled(vectors, vectors, known), 0).astype(np.float32)


def _scaled(any_vectors: Vectors, vectors: Vectors, known: NDArray[np.bool_]) -> Vectors:
    """Moved and scaled as the known rows of `vectors` are, to be centred and of mean square length 1."""
    centre = vectors[known].mean(axis=0)
    size = np.sqrt(((vectors[known] - centre) ** 2).sum(axis=1).mean())
    found: Vectors = ((any_vectors - centre) / (size if size > 0 else 1)).astype(np.float32)
    return found
