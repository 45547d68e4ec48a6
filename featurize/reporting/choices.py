"""What rankers make of it: example prompts with every ranker's probabilities, and what policies are worth."""

from __future__ import annotations

from collections import Counter

import duckdb

from featurize.reporting.sheet import Row, rows
from featurize.storage import tables

EXAMPLES = 8
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def examples(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """Prompts with `candidates` (letter, artwork_id, whether it was shown) and `rankers`, each with a probability for
    every candidate in that order; the ranker that ranked last comes first."""
    found = rows(db, "examples", most=EXAMPLES)
    rankings = rows(db, "example_rankings", prompts=[row["prompt_id"] for row in found])
    names = _names({row["model_key"]: row["ranker"] for row in rankings})
    for row in found:
        said: dict[str, dict[str, Row]] = {}
        for each in rankings:
            if each["prompt_id"] == row["prompt_id"]:
                said.setdefault(each["model_key"], {})[each["artwork_id"]] = each
        row["candidates"] = [
            {"letter": letter, "artwork_id": artwork_id, "shown": letter == row["answer"]}
            for letter, artwork_id in zip(LETTERS, row["artwork_ids"], strict=False)
        ]
        row["rankers"] = [
            {"name": names[key], "model_key": key, "says": [of.get(each) for each in row["artwork_ids"]]}
            for key, of in said.items()
        ]
    return found


def _names(called: dict[str, str]) -> dict[str, str]:
    """Names by model key; where two rankers share one, with the end of the key."""
    often = Counter(called.values())
    return {key: name if often[name] == 1 else f"{name} …{key[-6:]}" for key, name in called.items()}


def values(db: duckdb.DuckDBPyConnection) -> Row:
    """The newest evaluation: the policies by the estimator named before looking, best first, all the estimators'
    figures, and the parts of the best ranker."""
    found: list[Row] = tables.arrow(db, "FROM latest_policy_value").to_pylist()
    whole = [row for row in found if row["slice"] == "all"]
    main = sorted(
        (row for row in whole if row["main"]), key=lambda row: -(row["value"] if row["value"] is not None else -1)
    )
    if not main:
        return {"rows": []}
    estimators = list(dict.fromkeys(row["estimator"] for row in whole))
    by_all = {(row["policy"], row["estimator"]): row["value"] for row in whole}
    best = next((row["policy"] for row in main if row["policy"] not in ("logged", "logged_greedy")), None)
    parts = [row for row in found if row["slice"] != "all" and row["main"] and row["policy"] == best]
    ends = [
        row[name] for row in main for name in ("lift_low", "lift_high", "lift_low_of_all", "lift_high_of_all", "lift")
    ]
    known = [end for end in ends if end is not None] + [0.0]
    known += [row["true_lift"] for row in main if row["true_lift"] is not None]
    return {
        "rows": main,
        "estimators": estimators,
        "by_all": by_all,
        "parts": parts,
        "best": best,
        "low": min(known),
        "high": max(known),
        "estimator": main[0]["estimator"],
        "baseline": main[0]["baseline"],
        "confidence": main[0]["confidence"],
        "computed_at": main[0]["computed_at"],
        "truth": any(row["true_value"] is not None for row in main),
    }
