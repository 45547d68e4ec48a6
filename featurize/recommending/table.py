"""The comparison as people read it: of each split the recommenders, the best on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
ASKED = {
    "rolling_days": "what members played next, day by day",
    "new_titles": "titles that nobody had played before",
    "leave_one_out": "each member's last title, as MicroLens asks it",
}


def text(rows: Sequence[Row]) -> str:
    return "\n\n".join(_split(name, [row for row in rows if row["split"] == name]) for name in _splits(rows))


def _splits(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["split"] for row in rows))


def _split(name: str, rows: Sequence[Row]) -> str:
    first = rows[0]
    asked = f"{first['cases']:,} plays of {first['members']:,} members, each among {first['titles']:,} titles"
    lines = [["features", "model", "HR@10", "nDCG@10", "95 %", f"over {first['baseline']}", "95 %"]]
    for row in sorted(rows, key=lambda row: (-row["ndcg"], row["features"], row["model"])):
        lines.append(
            [
                row["features"],
                row["model"],
                f"{row['hr']:.3f}",
                f"{row['ndcg']:.4f}",
                _range(row, "ndcg", "{:.3f}"),
                "" if row["ndcg_more"] is None else f"{row['ndcg_more']:+.4f}",
                _range(row, "ndcg_more", "{:+.3f}"),
            ]
        )
    return f"{name}: {ASKED[name]}\n{asked}\n{_columns(lines)}"


def _range(row: Row, name: str, form: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None or high is None else f"{form.format(low)} to {form.format(high)}"


def _columns(lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column > 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
