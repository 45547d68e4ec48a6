"""What the template says of titles and pictures: rendered once each, and kept as tables of the job's database."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from featurize.intake import inputs
from featurize.prompting.template import Template
from featurize.storage import tables
from featurize.storage.store import Store
from featurize.storage.tables import sql


def keep(db: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Make `rows` a table of `db`."""
    db.register("rows_to_keep", rows)
    db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM rows_to_keep")
    db.unregister("rows_to_keep")


def numbered(**columns: list[str]) -> pa.Table:
    """Columns of strings; the first, `<name>_no`, numbers the rows from 0."""
    name = next(iter(columns)).removesuffix("_id")
    numbers = pa.array(range(len(next(iter(columns.values())))), pa.int32())
    return pa.table({f"{name}_no": numbers, **{key: pa.array(values, pa.string()) for key, values in columns.items()}})


def titles(db: duckdb.DuckDBPyConnection, template: Template, uri: str) -> None:
    """Tables `given_title`, `title` (text, label), `genre` and `title_genre`, numbered by id and by name.

    Errors: RefusedInput.
    """
    given = inputs.read("title", uri)
    keep(db, "given_title", given)
    rows = sorted(given.to_pylist(), key=lambda row: str(row["title_id"]))
    texts = [template.title_texts(row) for row in rows]
    ids = [row["title_id"] for row in rows]
    keep(db, "title", numbered(title_id=ids, text=[text for text, _ in texts], label=[label for _, label in texts]))
    genres = [template.genres(row["genres"]) for row in rows]
    names = sorted({name for each in genres for name in each})
    keep(db, "genre", numbered(genre=names))
    numbers = {name: number for number, name in enumerate(names)}
    pairs = [(title, numbers[name]) for title, each in enumerate(genres) for name in each]
    columns = zip(*pairs, strict=True) if pairs else ([], [])
    keep(db, "title_genre", pa.table([pa.array(each, pa.int32()) for each in columns], ["title_no", "genre_no"]))


def pictures(
    db: duckdb.DuckDBPyConnection, store: Store, template: Template, descriptions: str, tags: str | None, as_of: str
) -> None:
    """Table `picture`: the description of each candidate's picture, NULL where nothing is known of it.

    `described` says whether the model has words for it; without, there may be tags, and `status` of what failed.
    """
    for table, key in (("description", descriptions), ("image_tag", tags)):
        store.register(db, table, [key] if key else [])
    looks = tables.arrow(db, sql("prompting", "looks"), {"descriptions": descriptions, "tags": tags, "as_of": as_of})
    texts = pa.array([template.candidate_text(row) for row in looks.to_pylist()], pa.string())
    keep(db, "picture", looks.select(["image_sha256", "described", "status"]).append_column("description", texts))
