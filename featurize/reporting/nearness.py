"""What looks alike: the map of the embeddings, and near-duplicates across titles where the store has them."""

from __future__ import annotations

import duckdb
import numpy as np

from featurize.reporting.sheet import Row, rows
from featurize.storage import tables
from featurize.storage.tables import sql

FEWEST = 3
"""Vectors that a map is made of."""
MARGIN = 0.01
"""Share of the points at either end of an axis that are drawn at its edge, so that a few do not squeeze all others."""

MOST_PAIRS = 2000
MOST_GROUPS = 40


def places(db: duckdb.DuckDBPyConnection) -> dict[str, tuple[float, float]]:
    """artwork_id -> (x, y), each from 0 to 1: the two directions in which the embeddings differ most (PCA)."""
    found = tables.arrow(db, sql("reporting", "vectors"))
    if found.num_rows < FEWEST:
        return {}
    vectors = np.asarray(found["embedding"].combine_chunks().flatten(), np.float32).reshape(found.num_rows, -1)
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred)  # ascending
    axes = directions[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])  # else a sign is the library's whim
    points = centred @ axes
    low, high = np.quantile(points, MARGIN, axis=0), np.quantile(points, 1 - MARGIN, axis=0)
    points = np.clip((points - low) / np.maximum(high - low, 1e-9), 0, 1)
    return {
        key: (round(float(x), 4), round(float(y), 4))
        for key, (x, y) in zip(found["artwork_id"].to_pylist(), points, strict=False)
    }


def duplicates(db: duckdb.DuckDBPyConnection) -> Row | None:
    """`groups` of artworks of several titles that look nearly the same, with the cosine of their nearest pair; `pairs`
    there are in all. None where nobody has looked for any."""
    total = db.execute("SELECT count(*) FROM near_duplicate WHERE NOT same_title").fetchall()[0][0]
    if not total and not db.execute("SELECT 1 FROM near_picture LIMIT 1").fetchall():
        return None
    pairs = rows(db, "duplicates", most=MOST_PAIRS) if total else []
    group_of: dict[str, list[str]] = {}
    for pair in pairs:
        one, other = (group_of.setdefault(pair[end], [pair[end]]) for end in ("artwork_id", "other"))
        if one is not other:
            one += other
            group_of |= dict.fromkeys(other, one)
    closest: dict[int, float] = {}
    groups: dict[int, list[str]] = {}
    for pair in pairs:  # the nearest pair of a group comes first
        group = group_of[pair["artwork_id"]]
        groups.setdefault(id(group), group)
        closest.setdefault(id(group), pair["cosine"])
    told = [{"artworks": group, "cosine": closest[number]} for number, group in groups.items()]
    return {
        "groups": told[:MOST_GROUPS],
        "left_out": len(told) - MOST_GROUPS,
        "pairs": total,
        "cut": total > len(pairs),
    }
