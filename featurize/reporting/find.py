"""The artworks nearest to a text, to another artwork or to a picture file.

Pictures are compared by CLIP; a text also with descriptions, where the store has their vectors: then both orders count,
by the sum of 1 / (60 + place) (reciprocal rank fusion, Cormack et al. 2009), for cosines of two spaces do not compare.
What is compared are the stored vectors of the current models, exactly and all of them; a model is loaded only for a
text, or a picture that the store has not seen. It is then the one that made the vectors, or the search is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from featurize.config import Settings
from featurize.errors import BadImage, RefusedInput, sentence
from featurize.execution import phases
from featurize.images.decode import Limits, decode
from featurize.inference.extractor import ModelSettings, model_key
from featurize.intake.files import read_bytes
from featurize.intake.web import Web, is_web
from featurize.models import load_backend
from featurize.report import shown
from featurize.storage import tables, views
from featurize.storage.store import Store, is_text
from featurize.storage.tables import sql

LIKELY = 0.5
"""Probability from which on a tag is told."""
FUSED, POOL = 60, 1000
"""Constant of the fusion, and of how many of either space it is made."""
NARROW, WIDE = 60, 200
"""Columns of the table, at least and at most."""


@dataclass(frozen=True)
class Artwork:
    """One present artwork, and what is known of it. `title` is a name, None where no title table was ever read."""

    artwork_id: str
    title_id: str
    uri: str
    image_sha256: str
    width: int | None
    height: int | None
    title: str | None
    caption: str | None
    tags: list[str]


@dataclass(frozen=True)
class Found:
    """`cosine` with the picture, `words` with the description; None where it was not compared, or is far down."""

    artwork: Artwork
    cosine: float | None
    words: float | None = None


@dataclass(frozen=True)
class Answer:
    """What was asked (`picture`, if it was no text: its uri and SHA-256), and what was found, the nearest first.

    `model_key` is of the pictures' vectors, `words_key` of those of descriptions: None where they were not compared.
    """

    asked: str
    kind: Literal["text", "artwork", "file"]
    picture: tuple[str, str] | None
    model_key: str | None
    artworks: int
    found: tuple[Found, ...]
    words_key: str | None = None

    @property
    def by(self) -> str:
        """Which spaces were compared."""
        keys = {"pictures": self.model_key, "descriptions": self.words_key}
        return ", and ".join(f"of {what} by {key}" for what, key in keys.items() if key)


def by_text(settings: Settings, text: str, top: int) -> Answer:
    """The `top` artworks nearest to a text. Errors: RefusedInput where neither pictures nor descriptions can tell."""
    if not is_text(text):
        raise RefusedInput("the text to find is no UTF-8")
    with _Stored(settings, words=True) as stored:
        pictures, words = None, None
        if stored.key is not None:
            embed = stored.model()
            tower = phases.text_settings(embed)
            if tower is None and stored.words_key is None:
                raise RefusedInput(f"backend '{embed.backend}' of section embed has no texts; find with LIKE= instead")
            if tower is not None:
                pictures = stored.nearest(_computed(tower, lambda extractor: extractor.query(text)), POOL)
        if stored.words_key is not None:
            asked = _computed(stored.words_model(), lambda extractor: extractor.query(text))
            words = stored.nearest_words(asked, POOL)
        return stored.answer_in_both(text, pictures, words, top)


def by_likeness(settings: Settings, like: str, top: int) -> Answer:
    """The `top` artworks nearest to an artwork of the catalogue, else to a picture file.

    That is a path, or an address as a manifest may hold.

    Errors: RefusedInput when it is neither, when the artwork has no vector, or the file is no picture.
    """
    if not is_text(like):
        raise RefusedInput(f"{like!r} cannot be the name of an artwork or file: it is no UTF-8")
    with _Stored(settings) as stored:
        known = stored.artworks([like])
        if known:
            return stored.answer(like, "artwork", (known[0].uri, known[0].image_sha256), stored.nearest_to(like, top))
        limits = Limits(**settings.limits.model_dump())
        web = Web.of(settings.input, limits)
        try:
            data = read_bytes(web.address(like) if is_web(like) else like, web)
        except BadImage as error:
            if error.reason != "not_found":
                raise RefusedInput(f"{like} cannot be read: {error.detail}") from error
            neither = f"'{like}' is neither an artwork of the catalogue nor a picture file"
            raise RefusedInput(neither + stored.nearly(like)) from error
        sha = hashlib.sha256(data).hexdigest()
        vector = stored.vector(sha)
        if vector is None:
            try:
                vector = _computed(stored.model(), lambda extractor: decode(data, limits, extractor.at_least))
            except BadImage as error:
                raise RefusedInput(f"{like} cannot be used: {error.reason}, {error.detail}") from error
        return stored.answer(like, "file", (like, sha), stored.nearest(vector, top))


class _Stored:
    """The embeddings of a store, while it is entered. Errors on entering: RefusedInput where there are none."""

    def __init__(self, settings: Settings, words: bool = False) -> None:
        """`words`: vectors of descriptions will do as well."""
        self.settings, self.store, self._words = settings, Store(settings.store), words

    def __enter__(self) -> _Stored:
        if not self.store.has_parts("artwork"):
            raise RefusedInput(f"there is no store with artworks at {self.store.uri}; run `make featurize` first")
        with ExitStack() as undo:
            undo.enter_context(self.store.reading())
            self.db = undo.enter_context(views.connect(self.store))
            current = dict(self.db.execute("SELECT feature, model_key FROM current_model").fetchall())
            self.key: str | None = current.get("image_embedding")
            self.words_key: str | None = current.get("text_embedding")
            if self.key is None and not (self._words and self.words_key):
                raise RefusedInput(
                    f"{self.store.uri} has no embeddings: run `make featurize` with a model in section embed"
                )
            self._held = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    def model(self) -> ModelSettings:
        """The settings of the model that made the embeddings. Errors: RefusedInput where they are of another one.

        The number type may differ: a laptop without bfloat16 asks what a GPU has stored.
        """
        return self._same("embed", self.settings.embed, self.key, f"the embeddings of {self.store.uri}")

    def words_model(self) -> ModelSettings:
        """The same of the vectors of descriptions."""
        return self._same("text", self.settings.text, self.words_key, f"the vectors of texts of {self.store.uri}")

    def _same(self, section: str, named: ModelSettings | None, key: str | None, what: str) -> ModelSettings:
        made = f"{what} are by {key}"
        if named is None:
            raise RefusedInput(f"{made}, and section {section} names no model: find with the profile that made them")
        own = phases.fingerprint_of(named)
        asked = "SELECT fingerprint FROM model WHERE model_key = $key"
        rows = self.db.execute(asked, {"key": key}).fetchall()
        stored = json.loads(rows[0][0]) if rows else {}
        other = [name for name in sorted(own.keys() | stored.keys()) if own.get(name) != stored.get(name)]
        if model_key(own) != key and set(other) - {"dtype"}:
            raise RefusedInput(
                f"{made}, and the model of section {section} is {model_key(own)} ({other[0]} differs): find with the "
                "profile and settings that made them"
            )
        return named

    def vector(self, sha: str) -> list[float] | None:
        """The stored one of a picture, by the SHA-256 of its file."""
        asked = "SELECT embedding FROM image_embedding WHERE model_key = $key AND image_sha256 = $sha LIMIT 1"
        rows = self.db.execute(asked, {"key": self.key, "sha": sha}).fetchall()
        return rows[0][0] if rows else None

    def nearest(self, vector: Sequence[float], top: int) -> list[tuple[str, float]]:
        """(artwork_id, cosine) of the nearest to a unit-norm vector."""
        asked = "SELECT artwork_id, cosine FROM nearest_artwork($vector::FLOAT[], $top)"
        return self.db.execute(asked, {"vector": list(vector), "top": top}).fetchall()

    def nearest_words(self, vector: Sequence[float], top: int) -> list[tuple[str, float]]:
        """(artwork_id, cosine) of the artworks whose descriptions are nearest to a unit-norm vector."""
        asked = "SELECT artwork_id, cosine FROM nearest_description($vector::FLOAT[], $top)"
        return self.db.execute(asked, {"vector": list(vector), "top": top}).fetchall()

    def nearest_to(self, artwork_id: str, top: int) -> list[tuple[str, float]]:
        """The same for an artwork of the catalogue, without itself. Errors: RefusedInput where it has no vector."""
        (known,) = self.artworks([artwork_id])
        if self.vector(known.image_sha256) is None:
            raise RefusedInput(
                f"artwork '{artwork_id}' has no embedding by {self.key}; `make sql ASK=\"FROM quarantine_open\"` "
                "says why, or the next `make featurize` makes it"
            )
        asked = "SELECT artwork_id, cosine FROM similar_artwork($artwork_id, $top)"
        return self.db.execute(asked, {"artwork_id": artwork_id, "top": top}).fetchall()

    def artworks(self, artwork_ids: Sequence[str]) -> list[Artwork]:
        """Those of them that are present, in no order."""
        given = {"artwork_ids": list(artwork_ids), "likely": LIKELY}
        rows = self.db.execute(sql("reporting", "described"), given).fetchall()
        return [Artwork(*row) for row in rows]

    def nearly(self, artwork_id: str) -> str:
        """What to tell of an id that is not one of a present artwork: that it was one, or which is spelled alike."""
        given = {"artwork_id": artwork_id}
        gone = self.db.execute("SELECT 1 FROM artwork WHERE artwork_id = $artwork_id LIMIT 1", given).fetchall()
        if gone:
            return "; the artwork of this id is no longer in the catalogue"
        asked = """SELECT artwork_id FROM artwork_present
            WHERE jaro_winkler_similarity(artwork_id, $artwork_id) > 0.8
            ORDER BY jaro_winkler_similarity(artwork_id, $artwork_id) DESC, artwork_id LIMIT 1"""
        near = self.db.execute(asked, given).fetchall()
        return f"; did you mean {near[0][0]}?" if near else ""

    def answer(
        self,
        asked: str,
        kind: Literal["text", "artwork", "file"],
        picture: tuple[str, str] | None,
        nearest: list[tuple[str, float]],
    ) -> Answer:
        known = {each.artwork_id: each for each in self.artworks([artwork_id for artwork_id, _ in nearest])}
        found = tuple(Found(known[artwork_id], cosine) for artwork_id, cosine in nearest)
        count = tables.scalar(self.db, "SELECT count(*) FROM artwork_present")
        return Answer(asked, kind, picture, self.key, count, found)

    def answer_in_both(
        self,
        asked: str,
        pictures: list[tuple[str, float]] | None,
        words: list[tuple[str, float]] | None,
        top: int,
    ) -> Answer:
        """By the order in either space, or in the one that was compared."""
        points: defaultdict[str, float] = defaultdict(float)
        for order in (pictures, words):
            for place, (artwork_id, _) in enumerate(order or (), 1):
                points[artwork_id] += 1 / (FUSED + place)
        best = sorted(points, key=lambda artwork_id: (-points[artwork_id], artwork_id))[:top]
        known = {each.artwork_id: each for each in self.artworks(best)}
        seen, said = dict(pictures or ()), dict(words or ())
        found = tuple(Found(known[each], seen.get(each), said.get(each)) for each in best)
        count = tables.scalar(self.db, "SELECT count(*) FROM artwork_present")
        keys = (self.key if pictures is not None else None, self.words_key if words is not None else None)
        return Answer(asked, "text", None, keys[0], count, found, keys[1])


def _computed(settings: ModelSettings, given: Any) -> list[float]:
    """The unit-norm vector of one item, which `given` makes once the model is known. Errors: RefusedInput, BadImage."""
    extractor = load_backend(settings.backend).Extractor(settings)
    try:
        (vector,) = extractor.extract([extractor.prepare(given(extractor))])["embedding"]
        return [float(each) for each in vector]
    finally:
        extractor.close()


def table(answer: Answer, store: str) -> str:
    """The answer in lines of the terminal's width; what was read off pictures or files cannot upset it."""
    width = min(max(shutil.get_terminal_size((100, 24)).columns, NARROW), WIDE)
    asked = f'"{answer.asked}"' if answer.kind == "text" else shown(answer.asked)
    lines = [
        sentence(f"{asked}: the nearest {len(answer.found):,} of {answer.artworks:,} artworks in {shown(store)}"),
        f"by the cosine {answer.by}",
    ]
    if not answer.found:
        return "\n".join([*lines, "there is no other artwork with a vector"])
    ids = min(max(len(sentence(each.artwork.artwork_id)) for each in answer.found), 40)
    compared = [name for name, key in (("picture", answer.model_key), ("words", answer.words_key)) if key]
    # Each ends where its figures do; the first may begin in the column of the ranks, which needs no name.
    heading = f"{compared[0]:>11}" + "".join(f"{name:>8}" for name in compared[1:])
    lines += ["", _cut(f"{heading}  {'artwork':<{ids}}  title", width)]
    for number, each in enumerate(answer.found, 1):
        artwork = each.artwork
        title = artwork.title or artwork.title_id
        cosines = "  ".join(
            "     -" if cosine is None else f"{cosine:6.3f}"
            for cosine, key in ((each.cosine, answer.model_key), (each.words, answer.words_key))
            if key
        )
        row = f"{number:>3}  {cosines}  {sentence(artwork.artwork_id):<{ids}}  {sentence(title)}"
        lines += ["", _cut(row, width)]
        words = [artwork.caption, ", ".join(artwork.tags), shown(artwork.uri)]
        lines += [_cut(f"{'':13}{sentence(each)}", width) for each in words if each]
    return "\n".join(lines)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"
