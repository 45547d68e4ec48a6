"""Distributions of tags and of what descriptions say, and how far two models are apart in them."""

from __future__ import annotations

from collections import defaultdict

import duckdb

from featurize.reporting.sheet import Row, rows
from featurize.storage import tables
from featurize.storage.tables import sql

MOST_LABELS = 12
OTHERS = "others"


def distributions(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """For each table of words and attribute the labels by share of pictures, of the current model and the other one.

    `drift` is the total variation distance between the two (0: the same shares, 1: none in common), `changed` the share
    of the pictures known to both that they say something else of; both None where there is no other model.
    """
    compared = {row["feature"]: row for row in rows(db, "compared")}
    current = [row["current"] for row in compared.values() if row["current"]]
    others = [row["other"] for row in compared.values() if row["current"] and row["other"]]
    if not current:
        return []
    db.register("word", tables.arrow(db, sql("reporting", "words"), {"models": current + others}))
    counts: dict[tuple[str, str], dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows(db, "word_counts"):
        counts[row["feature"], row["attribute"]][row["model_key"]][row["label"]] = row["pictures"]
    changes = {
        (row["feature"], row["attribute"]): row["changed"] / row["pictures"]
        for row in rows(db, "word_changes", current=current)
        if row["pictures"]
    }
    found = []
    for (feature, attribute), by_model in sorted(counts.items(), key=lambda each: (each[0][0] != "image_tag", each[0])):
        mine, other = (_shares(by_model.get(compared[feature][which] or "", {})) for which in ("current", "other"))
        if mine:
            found.append(
                {
                    "feature": feature,
                    "attribute": attribute,
                    "labels": _labels(mine, other),
                    "model_key": compared[feature]["current"],
                    "other_key": compared[feature]["other"] if other else None,
                    "drift": sum(abs(mine.get(each, 0) - other.get(each, 0)) for each in {*mine, *other}) / 2
                    if other
                    else None,
                    "changed": changes.get((feature, attribute)),
                }
            )
    return found


def _shares(counts: dict[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {label: count / total for label, count in counts.items()}


def _labels(mine: dict[str, float], other: dict[str, float]) -> list[tuple[str, float, float]]:
    """(label, share, share by the other model), the most common ones, and all others together."""
    order = sorted({*mine, *other}, key=lambda label: (-max(mine.get(label, 0), other.get(label, 0)), label))
    shown = [(label, mine.get(label, 0.0), other.get(label, 0.0)) for label in order[:MOST_LABELS]]
    rest = order[MOST_LABELS:]
    if rest:
        of_mine, of_other = (sum(each.get(label, 0.0) for label in rest) for each in (mine, other))
        shown.append((f"{OTHERS} ({len(rest)})", of_mine, of_other))
    return shown
