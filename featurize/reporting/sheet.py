"""The contact sheet: which titles are on the page, and all that is known of their artworks.

Titles are taken whole, in an order that only their ids decide, until the page has as many artworks as it may have, or
its thumbnails are too large or take too long; what is left out is counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from featurize.report import shown
from featurize.reporting.miniatures import Picture, Thumbnails
from featurize.storage import tables
from featurize.storage.tables import sql

MOST_OF_TITLE = 60
"""Artworks shown of a title: a folder of ten thousand pictures is one title, too."""
AT_ONCE = 96
"""Artworks whose thumbnails are made before the next look at what is left."""
Row = dict[str, Any]


@dataclass
class Sheet:
    """What the page shows of a catalogue. `titles` are ready to be JSON; `artworks` counts those in it."""

    titles: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    """Rows of `artworks.sql` of these titles."""
    because: str = ""
    """Why not all titles are here; empty where they are."""

    @property
    def artworks(self) -> int:
        return len(self.rows)


def sampled(db: duckdb.DuckDBPyConnection, most: int) -> bool:
    """Make the tables `shown_title` and `shown_artwork` of at most `most` artworks; whether titles are left out."""
    found = rows(db, "sampled", most_of_title=MOST_OF_TITLE)
    chosen: list[str] = []
    total = 0
    for row in found:
        total += row["artworks"]
        if total > most and chosen:
            break
        chosen.append(row["title_id"])
    db.register("shown_title", pa.table({"title_id": pa.array(chosen, pa.string())}))
    db.register("shown_artwork", tables.arrow(db, sql("reporting", "artworks"), {"most_of_title": MOST_OF_TITLE}))
    return len(chosen) < len(found)


def sheet(db: duckdb.DuckDBPyConnection, thumbnails: Thumbnails, left_out: bool, most: int) -> Sheet:
    """The sheet of what `sampled` chose, and its thumbnails."""
    artworks = defaultdict(list)
    for row in tables.arrow(db, "FROM shown_artwork").to_pylist():
        artworks[row["title_id"]].append(row)
    order = db.execute("SELECT title_id FROM shown_title").fetchall()
    made = Sheet(because=f"it shows at most {most:,} (report.artworks)" if left_out else "")
    kept = set()
    for group in _groups([(title, artworks[title]) for (title,) in order]):
        if thumbnails.spent:
            made.because = thumbnails.spent
            break
        thumbnails.add(picture(row) for _, rows in group for row in rows)
        kept |= {title for title, _ in group}
    details = _details(db)
    for title in rows(db, "titles"):
        if title["title_id"] in kept:
            mine = artworks[title["title_id"]]
            made.rows += mine
            made.titles.append(_title(title, [_artwork(row, thumbnails, details) for row in mine]))
    return made


def picture(row: Row) -> Picture:
    """Of a row with image_sha256, uri, width, height."""
    return Picture(row["image_sha256"], row["uri"], row["width"], row["height"])


def rows(db: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[Row]:
    """The rows of a query of this room."""
    found: list[Row] = tables.arrow(db, sql("reporting", name), parameters).to_pylist()
    return found


def _groups(titles: list[tuple[str, list[Row]]]) -> Iterator[list[tuple[str, list[Row]]]]:
    group: list[tuple[str, list[Row]]] = []
    for title in titles:
        group.append(title)
        if sum(len(mine) for _, mine in group) >= AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _details(db: duckdb.DuckDBPyConnection) -> dict[str, Row]:
    """What is not in the artwork's own row, by artwork."""
    found: dict[str, Row] = defaultdict(dict)
    for row in rows(db, "picked_of"):
        found[row["artwork_id"]] |= {"chosen": row["chosen"], "members": row["members"]}
    for row in rows(db, "for_whom"):
        told = [row["kind"], row["name"], row["chosen"], row["of_group"]]
        found[row["artwork_id"]].setdefault("whom", []).append(told)
    for row in rows(db, "logged_of"):
        found[row["artwork_id"]] |= {"shown": row["shown"], "played": row["played"]}
    return found


def _title(row: Row, artworks: list[Row]) -> Row:
    told = {
        "id": row["title_id"],
        "name": row["name"] or row["title_id"],
        "year": row["year"],
        "genres": row["genres"],
        "synopsis": row["synopsis"],
        "cast": row["cast"],
        "chosen": sum(each.get("chosen", 0) for each in artworks),
    }
    return _told(told) | {"art": artworks}


def _artwork(row: Row, thumbnails: Thumbnails, details: dict[str, Row]) -> Row:
    sha = row["image_sha256"]
    told = {
        "id": row["artwork_id"],
        "thumb": thumbnails.place.get(sha),
        "why": thumbnails.missing.get(sha),
        "file": shown(row["uri"]),
        "kind": row["kind"],
        "locale": row["locale"],
        "maturity": row["maturity"],
        "format": row["format"],
        "size": [row["width"], row["height"]] if row["width"] and row["height"] else None,
        "caption": row["caption"],
        "status": row["status"] if row["status"] not in ("ok", None) else None,
        "subjects": row["subjects"],
        "people": row["people_count"],
        "mood": row["mood"],
        "setting": row["setting"],
        "composition": row["composition"],
        "text": row["text_on_artwork"],
        "palette": row["palette"],
        "who": row["depicts"],
        "tags": [[tag["attribute"], tag["label"], round(tag["probability"], 3)] for tag in row["tags"] or ()],
    }
    return _told(told | details.get(row["artwork_id"], {}))


def _told(row: Row) -> Row:
    """Without what is not known: it would be most of the page."""
    return {name: value for name, value in row.items() if value not in (None, "", [])}
