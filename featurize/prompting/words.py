"""What the template says of titles, pictures, people and places: made once each, and kept as tables of the database."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from featurize.intake import inputs
from featurize.prompting import places
from featurize.prompting.template import FACTS, Template
from featurize.prompting.text import word
from featurize.storage import tables
from featurize.storage.store import Store
from featurize.storage.tables import sql


def keep(db: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Make `rows` a table of `db`."""
    db.register("rows_to_keep", rows)
    db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM rows_to_keep")
    db.unregister("rows_to_keep")


def numbered(**columns: Sequence[str | None]) -> pa.Table:
    """Columns of strings; the first, `<name>_no`, numbers the rows from 0."""
    name = next(iter(columns)).removesuffix("_id")
    numbers = pa.array(range(len(next(iter(columns.values())))), pa.int32())
    return pa.table({f"{name}_no": numbers, **{key: pa.array(values, pa.string()) for key, values in columns.items()}})


def titles(db: duckdb.DuckDBPyConnection, template: Template, uri: str) -> None:
    """Tables `given_title`, `title` (text, label, plain_name), `genre` and `title_genre`, numbered by id and by name.

    Errors: RefusedInput.
    """
    given = inputs.read("title", uri)
    keep(db, "given_title", given)
    rows = sorted(given.to_pylist(), key=lambda row: str(row["title_id"]))
    texts = [template.title_texts(row) for row in rows]
    ids = [row["title_id"] for row in rows]
    said = {"text": [text for text, _ in texts], "label": [label for _, label in texts]}
    keep(db, "title", numbered(title_id=ids, **said, plain_name=[_plain(row["name"]) for row in rows]))
    genres = [template.genres(row["genres"]) for row in rows]
    names = sorted({name for each in genres for name in each})
    keep(db, "genre", numbered(genre=names))
    numbers = {name: number for number, name in enumerate(names)}
    pairs = [(title, numbers[name]) for title, each in enumerate(genres) for name in each]
    columns = zip(*pairs, strict=True) if pairs else ([], [])
    keep(db, "title_genre", pa.table([pa.array(each, pa.int32()) for each in columns], ["title_no", "genre_no"]))


def pictures(
    db: duckdb.DuckDBPyConnection, store: Store, template: Template, descriptions: str, tags: str | None, as_of: str
) -> list[str]:
    """Table `picture`: the description of each candidate's picture, NULL where nothing is known of it.

    `described` says whether the model has words for it; without, there may be tags, and `status` of what failed.
    `genre_no` is the genre of titles that its tag names, where the template speaks of it. Returns, sorted, the tags of
    the pictures for which no title has such a genre, `no tag` for those without.
    """
    for table, key in (("description", descriptions), ("image_tag", tags)):
        store.register(db, table, [key] if key else [])
    looks = tables.arrow(db, sql("prompting", "looks"), {"descriptions": descriptions, "tags": tags, "as_of": as_of})
    rows = looks.to_pylist()
    facts = [template.candidate_facts(row) for row in rows]
    columns = {name: pa.array([each[name] for each in facts], pa.string()) for name in FACTS}
    columns["description"] = pa.array([template.facts_text(each) for each in facts], pa.string())
    columns["lettering"] = pa.array([_plain(row["text_on_artwork"]) for row in rows], pa.string())
    genres: dict[str, int] = {}
    if template.candidate.genre:
        genres = {name.casefold(): number for number, name in db.execute("FROM genre ORDER BY genre_no").fetchall()}
    of_genre = [genres.get(word(row["genre"], template.limits.genre).casefold()) for row in rows]
    columns["genre_no"] = pa.array(of_genre, pa.int32())
    rest = {name: looks[name] for name in ("image_sha256", "described", "status")}
    keep(db, "picture", pa.table(rest | columns))
    if not template.candidate.genre:
        return []
    return sorted(row["genre"] or "no tag" for row, number in zip(rows, of_genre, strict=True) if number is None)


def people(db: duckdb.DuckDBPyConnection, template: Template) -> list[str]:
    """Tables `person`, numbered by name, `title_cast` and `depicted`: who is in a title and on a candidate.

    Names that differ in case only are one person, written as most casts write it. Returns, sorted, who is on a
    candidate and in no cast, where there are casts: of these no plays can be counted.
    """
    most = template.people
    cast = db.execute('SELECT title_no, "cast" FROM given_title JOIN title USING (title_id)').fetchall() if most else []
    shown = db.execute(_SHOWN).fetchall() if most and template.candidate.depicts else []
    in_casts = {number: template.names(given) for number, given in cast}
    on_artwork = {number: template.names(given) for number, given in shown}
    written = _written(name for names in in_casts.values() for name in names)

    def first(names: list[str], limit: int) -> list[str]:
        return list(dict.fromkeys(written.get(name.casefold(), name) for name in names))[:limit]

    in_titles = {number: first(names, most.cast) for number, names in in_casts.items()} if most else {}
    on_states = {number: first(names, most.depicts) for number, names in on_artwork.items()} if most else {}
    everybody = sorted({name for names in (*in_titles.values(), *on_states.values()) for name in names})
    keep(db, "person", numbered(person_id=everybody).rename_columns(["person_no", "name"]))
    numbers = {name: number for number, name in enumerate(everybody)}
    for table, key, of in (("title_cast", "title_no", in_titles), ("depicted", "state_no", on_states)):
        rows = [(key, place, numbers[name]) for key, names in of.items() for place, name in enumerate(names)]
        columns = [pa.array(column, pa.int32()) for column in zip(*rows, strict=True)] or [pa.array([], pa.int32())] * 3
        keep(db, table, pa.table(columns, [key, "place", "person_no"]))
    strangers = {name for names in on_artwork.values() for name in names if name.casefold() not in written}
    return sorted(strangers) if written else []


def where(db: duckdb.DuckDBPyConnection, template: Template) -> None:
    """Table `place`: by kind (device, country, language) what the questions have, and what is said of it."""
    rows: list[tuple[str, str, str]] = []
    now = template.now
    patterns = {"device": now.device, "country": now.country, "language": now.language} if now else {}
    for kind, pattern in patterns.items():
        for (value,) in db.execute(f"SELECT DISTINCT {kind} FROM question WHERE {kind} IS NOT NULL").fetchall():
            said = word(places.name(kind, value), now.place) if now and pattern else ""
            if said:
                rows.append((kind, value, str(pattern).format(value=said)))
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)] or [pa.array([], pa.string())] * 3
    keep(db, "place", pa.table(columns, ["kind", "given", "said"]))


def _written(names: Iterable[str]) -> dict[str, str]:
    """By its letters without case, each name as it is written most often."""
    # Not as artwork writes it: an increment sees only some of that, and must say what a whole run says.
    written: dict[str, str] = {}
    for name, _ in sorted(Counter(names).items(), key=lambda each: (-each[1], each[0])):
        written.setdefault(name.casefold(), name)
    return written


def _plain(text: str | None) -> str | None:
    """Letters and digits alone: whether words on an artwork are a title's name is no matter of case or commas."""
    return re.sub(r"\W+", "", text or "").casefold() or None


_SHOWN = """SELECT state_no, depicts FROM artwork_state SEMI JOIN candidate USING (state_no)
    WHERE depicts IS NOT NULL ORDER BY state_no"""
