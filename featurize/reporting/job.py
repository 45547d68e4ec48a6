"""The steps of the report: open the store, choose what is shown, make thumbnails, read the rest, write the page.

It takes no lease and leaves no row: to look at a store changes nothing in it.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import featurize
from featurize.config import Settings
from featurize.errors import RefusedInput, RunFailed
from featurize.report import shown, wrapped
from featurize.reporting import choices, nearness, nights, page, words
from featurize.reporting.miniatures import Thumbnails
from featurize.reporting.sheet import Row, picture, rows, sampled, sheet
from featurize.storage import tables, views
from featurize.storage.store import Store, address, has_scheme
from featurize.storage.tables import sql


class Reporting:
    """One report. Errors of every method: RefusedInput, RunFailed."""

    def __init__(self, settings: Settings, dry_run: bool = False) -> None:
        self.settings, self.dry_run = settings, dry_run
        self.begun = time.monotonic()
        self.made_at = datetime.now(UTC)
        self.store = Store(settings.store)
        self.place = _place(settings.report.html)
        self.content: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if not self.store.has_parts("run", "artwork"):
            raise RefusedInput(f"there is no store at {self.store.uri}; run a job first, or give --set store=...")
        with ExitStack() as undo:
            undo.enter_context(self.store.reading())
            self.db = undo.enter_context(views.connect(self.store))
            self._held = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    def choose(self) -> None:
        """Which titles are shown, and what there is in all."""
        self.left_out = sampled(self.db, self.settings.report.artworks)
        self.db.register("picked", tables.arrow(self.db, sql("reporting", "picked")))
        (self.totals,) = rows(self.db, "totals")

    def read(self) -> None:
        """What is told in words, figures and lines."""
        self.db.register("told_run", tables.arrow(self.db, sql("reporting", "told_run")))
        self.content |= {
            "strip": nights.strip(self.db, self.made_at.date()),
            "runs": nights.runs(self.db),
            "states": nights.STATES,
            "times": nights.times(self.db),
            "coverage": nights.coverage(self.db),
            "quarantine": nights.quarantine(self.db),
            "words": words.distributions(self.db),
            "duplicates": nearness.duplicates(self.db),
            "examples": choices.examples(self.db),
            "values": choices.values(self.db),
        }

    def draw(self) -> None:
        """Thumbnails: first those that the sections need, then titles until the page is full."""
        shown_artworks = self.db.table("shown_artwork").count("*").fetchall()[0][0]
        self.thumbnails = Thumbnails(self.settings, shown_artworks)
        self.content["thumb_of"] = self._thumbnails_of_sections()
        self.sheet = sheet(self.db, self.thumbnails, self.left_out, self.settings.report.artworks)
        self.content["map"] = self._map()

    def _thumbnails_of_sections(self) -> dict[str, int]:
        """Place of a thumbnail by artwork_id and by SHA-256, for what stands outside the sheet."""
        content = self.content
        wanted = {each["artwork_id"] for example in content["examples"] for each in example["candidates"]}
        wanted |= {each for group in (content["duplicates"] or {}).get("groups", ()) for each in group["artworks"]}
        contents = [row["image_sha256"] for row in content["quarantine"]["rows"] if row["safe"]]
        found = rows(self.db, "pictures", artworks=sorted(wanted), contents=contents)
        self.thumbnails.add(picture(row) for row in found)
        self.content["title_of"] = {row["artwork_id"]: row["title_id"] for row in found}
        place = self.thumbnails.place
        keys = [(row[name], place.get(row["image_sha256"])) for row in found for name in ("artwork_id", "image_sha256")]
        return {key: number for key, number in keys if number is not None}

    def _map(self) -> dict[str, tuple[float, float]]:
        here = {row["artwork_id"] for row in self.sheet.rows}
        return {key: point for key, point in nearness.places(self.db).items() if key in here}

    def write(self) -> None:
        """Put the page in its place, whole. Errors: RunFailed."""
        self.html = page.page(
            self.content
            | {
                "store": shown(self.store.uri),
                "made_at": self.made_at,
                "version": featurize.__version__,
                "totals": self.totals,
                "sheet": self.sheet,
                "data": self._data(),
            },
            self.thumbnails.data,
        ).encode()
        if not self.dry_run:
            _write(self.place, self.html)

    def _data(self) -> Row:
        """What the script makes the sheet, the search and the map of."""
        choices_are = self.db.execute("SELECT any_value(is_choice) FROM picked").fetchall()[0][0]
        return {"titles": self.sheet.titles, "map": self.content["map"], "choices": choices_are}

    def summary(self) -> str:
        """The last lines of the run."""
        where = f"not written (dry run): {shown(str(self.place))}" if self.dry_run else shown(str(self.place))
        size = f"{len(self.html) / 1e6:.1f} MB"
        lines = [where, f"  {size}, {time.monotonic() - self.begun:.1f} s"]
        shows = f"{len(self.sheet.titles):,} of {self.totals['titles']:,} titles, "
        shows += f"{self.sheet.artworks:,} of {self.totals['artworks']:,} artworks"
        lines.append(wrapped(shows))
        if self.sheet.because:
            lines.append(wrapped(f"note: some titles are left out, because {self.sheet.because}"))
        without = sum(row["image_sha256"] in self.thumbnails.missing for row in self.sheet.rows)
        if without:
            example = next(iter(self.thumbnails.missing.values()))
            lines.append(wrapped(f"note: {without:,} artworks have no thumbnail, such as: {example}"))
        return "\n".join(lines)


def _place(text: str) -> Path:
    """Where the page goes. Errors: RefusedInput."""
    if has_scheme(text) and not text.lower().startswith("file:/"):
        raise RefusedInput(f"report.html: {text} is no file of this machine; write it here and copy it there")
    path = Path(address(text))
    if path.suffix.lower() not in (".html", ".htm"):
        raise RefusedInput(f"report.html: {text} does not end in .html; whatever lies there would be replaced")
    if path.is_dir():
        raise RefusedInput(f"report.html: {text} is a folder")
    return path


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.chmod(file.name, 0o644)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise RunFailed(f"report.html: {path} cannot be written: {error}") from error
