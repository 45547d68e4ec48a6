"""The comparison as people read it: tables for the terminal and a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from featurize.evaluating.compare import TRUTH
from featurize.evaluating.rounds import GREEDY, LOGGED

Row = dict[str, Any]
NAMES = {"ips": "IPS", "clipped": "clipped", "snips": "SNIPS", "dr": "DR", "beta_ips": "β*-IPS", "replay": "replay"}
TRUE = " TRUTH is no estimate: only the demo's simulator knows it."
DPI = 150
WIDEST = 200
"""Lift in percent that the plot shows at most, unless an estimate is higher."""


def text(rows: Sequence[Row], main: str) -> str:
    """Policies by the estimator named before looking, then by all of them, then the slices of the best ranker."""
    whole = [row for row in rows if row["slice"] == "all"]
    made = [_values(whole, main), _lifts(whole, main), _by_all(whole, main), _slices(rows, main)]
    return "\n\n".join(filter(None, made))


def order(rows: Sequence[Row], main: str) -> list[Row]:
    """The rows of the main estimator, the best first."""
    mine = [row for row in rows if row["estimator"] == main and row["slice"] == "all"]
    return sorted(mine, key=lambda row: (row["value"] is None, -(row["value"] or 0), row["policy"]))


def _values(rows: Sequence[Row], main: str) -> str:
    true = {row["policy"]: row["value"] for row in rows if row["estimator"] == TRUTH}
    lines = [["policy", NAMES[main], "95 %", "rounds", "worth", *(["TRUTH"] if true else [])]]
    for row in order(rows, main):
        line = [row["policy"], _figure(row["value"]), _range(row, "low", "high", _figure)]
        line += [f"{row['rounds']:,}", f"{row['effective_rounds']:,.0f}"]
        lines.append(line + ([_figure(true[row["policy"]])] if true else []))
    legend = f"{NAMES[main]}: mean reward by that estimator. worth: rounds without weights that would\nsay as much."
    return f"{_columns(lines)}\n{legend}{TRUE if true else ''}"


def _lifts(rows: Sequence[Row], main: str) -> str:
    true = {row["policy"]: row["lift"] for row in rows if row["estimator"] == TRUTH}
    baseline = rows[0]["baseline"]
    lines = [["policy", f"over {baseline}", "95 %", "any", *(["TRUTH"] if true else [])]]
    for row in order(rows, main):
        if row["policy"] != baseline:
            line = [row["policy"], _percent(row["lift"]), _range(row, "lift_low", "lift_high", _percent)]
            line.append(_range(row, "lift_low_of_all", "lift_high_of_all", _percent))
            lines.append(line + ([_percent(true[row["policy"]])] if true else []))
    return f"{_columns(lines)}\nany: the interval that holds for all policies at once, so also for the best one"


def _by_all(rows: Sequence[Row], main: str) -> str:
    values = {(row["policy"], row["estimator"]): row["value"] for row in rows}
    lines = [["policy", *NAMES.values()]]
    for row in order(rows, main):
        lines.append([row["policy"], *(_figure(values[row["policy"], name]) for name in NAMES)])
    return _columns(lines)


def _slices(rows: Sequence[Row], main: str) -> str:
    """Of the ranker that is best on all rounds."""
    production = (LOGGED, GREEDY)
    ranked = [row for row in order(rows, main) if row["policy"] not in production and row["value"] is not None]
    best = ranked[0]["policy"] if ranked else None
    mine = [row for row in rows if row["policy"] == best and row["slice"] != "all"]
    true = {(row["slice"], row["part"]): row["lift"] for row in mine if row["estimator"] == TRUTH}
    if not mine:
        return ""
    lines = [[f"{best}, slice", "rounds", "worth", f"over {mine[0]['baseline']}", "95 %", *(["TRUTH"] if true else [])]]
    for row in mine:
        if row["estimator"] == main:
            line = [f"{row['slice']}: {row['part']}", f"{row['rounds']:,}", f"{row['effective_rounds']:,.0f}"]
            line += [_percent(row["lift"]), _range(row, "lift_low", "lift_high", _percent)]
            lines.append(line + ([_percent(true[row["slice"], row["part"]])] if true else []))
    return _columns(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


def _range(row: Row, low: str, high: str, written: Any) -> str:
    return "" if row[low] is None or row[high] is None else f"{written(row[low])} to {written(row[high])}"


def _columns(lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def plot(rows: Sequence[Row], main: str) -> bytes:
    """A forest plot as PNG: lifts over the baseline with their intervals, the best on top."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    whole = [row for row in rows if row["slice"] == "all"]
    baseline = whole[0]["baseline"]
    true = {row["policy"]: row for row in whole if row["estimator"] == TRUTH}
    shown = [row for row in order(rows, main) if row["lift"] is not None][::-1]
    figure = Figure(figsize=(9, 1.6 + 0.42 * max(len(shown), 1)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvline(0, color="0.6", linewidth=1)
    for at, row in enumerate(shown):
        for low, high, colour, width in (
            ("lift_low_of_all", "lift_high_of_all", "0.75", 2),
            ("lift_low", "lift_high", "tab:blue", 4),
        ):
            if row[low] is not None and row[high] is not None:
                ends = [100 * row[low], 100 * row[high]]
                axes.plot(ends, [at, at], color=colour, linewidth=width, solid_capstyle="butt", zorder=2)
        axes.plot(100 * row["lift"], at, "o", color="black", markersize=5, zorder=3)
        if row["policy"] in true and true[row["policy"]]["lift"] is not None:
            axes.plot(100 * true[row["policy"]]["lift"], at, "D", color="tab:red", markersize=6, zorder=4)
    labels = [f"{row['policy']}  {row['value']:.4f}" for row in shown]
    axes.set_yticks(range(len(shown)), labels)
    axes.set_xlabel(f"mean reward over {baseline}, %")
    rounds = max(row["rounds"] for row in whole)
    axes.set_title(f"{NAMES[main]} on {rounds:,} held-out prompts", loc="left")
    axes.plot([], [], "o", color="black", markersize=5, label="estimate")
    axes.plot([], [], color="tab:blue", linewidth=4, label="95 %")
    axes.plot([], [], color="0.75", linewidth=2, label="95 % of all at once")
    if true:
        axes.plot([], [], "D", color="tab:red", markersize=6, label="true value (the simulator's)", linestyle="none")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.18 - 0.3 / max(len(shown), 1)), ncols=4, frameon=False)
    axes.margins(y=0.08)
    axes.set_xlim(right=min(axes.get_xlim()[1], max([WIDEST, *(120 * row["lift"] for row in shown)])))
    right = axes.get_xlim()[1]
    for at, row in enumerate(shown):
        if any(100 * (row[high] or 0) > right for high in ("lift_high", "lift_high_of_all")):
            axes.plot(right, at, ">", color="0.45", markersize=6, clip_on=False, zorder=5)  # it goes on beyond
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    made = BytesIO()
    figure.savefig(made, format="png", bbox_inches="tight")
    return made.getvalue()
