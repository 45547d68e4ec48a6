"""What a measure returns: figures with a unit and, where one was promised, a target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featurize.config import Settings


@dataclass(frozen=True)
class Setup:
    """What every measure is given: settings with the models to measure, pictures of your own, and how many."""

    settings: Settings
    artwork: Path | None
    images: int


@dataclass(frozen=True)
class Figure:
    """One measured number. `value` is None where the machine cannot measure it; the note says why."""

    name: str
    value: float | None
    unit: str
    note: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is no target or no value."""
        if self.value is None or (self.at_least is None and self.at_most is None):
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "met": self.met}


def text(figures: list[Figure]) -> str:
    """The table that people read."""
    rows = [("", "figure", "unit", "target", "", "")]
    for figure in figures:
        value = "-" if figure.value is None else _short(figure.value)
        verdict = {True: "ok", False: "short", None: ""}[figure.met]
        rows.append((figure.name, value, figure.unit, figure.target, verdict, figure.note))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        f"{name:{widths[0]}}  {value:>{widths[1]}} {unit:{widths[2]}}  {target:{widths[3]}}  "
        f"{verdict:{widths[4]}}  {note}".rstrip()
        for name, value, unit, target, verdict, note in rows
    )


def _short(value: float) -> str:
    """Four digits that count, but whole numbers whole."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}" if abs(value) <= 1 else f"{value:.4g}"
