"""What a member played and what an artwork looks like, as numbers: for rankers that are no language models.

Invariant: everything of a member is from strictly before the moment asked about, and all orders follow from ids, so the
same store gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurize.inference import linear_bandit
from featurize.inference.ranker import Data, Prompt
from featurize.storage import tables
from featurize.storage.tables import sql

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
COMPONENTS = 16
"""Principal components of the image vectors that are features: of the whole vectors a log learns little."""
MOST_DEVICES = 20
_ROWS = 4_096
_OFTEN = (0.0, 2.0, 3.0)
"""Where the line of the log of plays may bend."""
_MET = 1 + len(_OFTEN) + 2
"""Numbers that say what a member has met of an artwork."""
_COMMON = """SELECT device FROM training WHERE device IS NOT NULL
GROUP BY device ORDER BY count(*) DESC, device LIMIT ?"""


class Asked:
    """Members at moments, as table `moment` (moment_no, member_id, asked_at) of `db` while the block lasts."""

    def __init__(self, db: duckdb.DuckDBPyConnection, members: Sequence[str], moments: Sequence[datetime]) -> None:
        self._db = db
        self._rows = pa.table(
            {
                "moment_no": pa.array(range(len(members)), pa.int32()),
                "member_id": pa.array(members, pa.string()),
                "asked_at": pa.array(moments, pa.timestamp("us", "UTC")),
            }
        )

    def __enter__(self) -> None:
        self._db.register("moment", self._rows)

    def __exit__(self, *_: object) -> None:
        self._db.unregister("moment")


@dataclass(frozen=True)
class Told:
    """What there is to know of n members at their moments and of m artworks, before it becomes features.

    Of each moment `shares` (n, genres) of the member's plays and marks of the `device` (n, devices). Of each artwork
    the number of its moment `of` (m,), its `place` among the known ones (m,), and what the member has `met` of it
    (m, f), see `Features`.
    """

    shares: Floats
    device: Floats
    of: Ints
    place: Ints
    met: Floats


class Features:
    """Of a member at a moment and an artwork, a row of `width` numbers.

    Looks of the artwork are the probabilities of its tags and the first principal components of its vector. The tags
    are crossed with the member's theme shares, which say of which genres the titles were that the member played, and
    with the device. Of whom it shows, there is how often the member played titles with them; of the artwork itself, how
    often they were shown it before, and did not play.
    """

    def __init__(self, data: Data) -> None:
        self._db = data.db
        self._genres = [
            name for (name,) in self._db.execute("SELECT DISTINCT unnest(genres) AS g FROM title ORDER BY g").fetchall()
        ]
        self._devices = [name for (name,) in self._db.execute(_COMMON, [MOST_DEVICES]).fetchall()]
        self._at, self._tags, vectors = _looks(self._db)
        parts = _components(vectors)
        self._looks = np.hstack([np.ones((len(parts), 1)), self._tags, parts])
        crossed = len(self._genres) + len(self._devices)
        self.width = self._looks.shape[1] + self._tags.shape[1] * crossed + _MET

    def told(
        self,
        members: Sequence[str],
        moments: Sequence[datetime],
        devices: Sequence[str | None],
        artworks: Sequence[Sequence[str]],
    ) -> Told:
        """Of n members at as many moments, each with its artworks; m in all, which follow each other."""
        of = np.repeat(np.arange(len(members)), [len(each) for each in artworks])
        flat = [artwork for each in artworks for artwork in each]
        marks = [[device == each for each in self._devices] for device in devices]
        with Asked(self._db, members, moments):
            return Told(
                shares=self._shares(len(members)),
                device=np.array(marks, dtype=float).reshape(len(members), len(self._devices)),
                of=of,
                place=np.array([self._at.get(artwork, len(self._looks) - 1) for artwork in flat], dtype=np.int64),
                met=self._met(of, flat),
            )

    def of(self, told: Told, some: slice | Ints) -> Floats:
        """(len(some), width) of some of its artworks; one that is not known has no looks."""
        of, place = told.of[some], told.place[some]
        by = np.hstack([told.shares[of], told.device[of]])
        crossed = by[:, :, None] * self._tags[place][:, None, :]
        features: Floats = np.hstack([self._looks[place], crossed.reshape(len(place), -1), told.met[some]])
        return features

    def _shares(self, count: int) -> Floats:
        """(count, genres): 1 in sum where something was played before the moment, else 0."""
        plays = np.zeros((count, len(self._genres)))
        if count and self._genres:
            found = self._db.execute(sql("inference", "theme_shares"), {"genres": self._genres}).fetchnumpy()
            plays[found["moment_no"], found["genre_no"]] = found["plays"]
        shares: Floats = plays / np.maximum(plays.sum(axis=1, keepdims=True), 1)
        return shares

    def _met(self, of: Ints, artworks: Sequence[str]) -> Floats:
        """(m, _MET): whether somebody is on the artwork, and how often the member played them, bent; how
        often the member was shown it, and without a play, as logs.
        """
        pairs = {
            "pair_no": pa.array(range(len(artworks)), pa.int32()),
            "moment_no": pa.array(of, pa.int32()),
            "artwork_id": pa.array(artworks, pa.string()),
        }
        self._db.register("pair", pa.table(pairs))
        people = self._db.execute(sql("inference", "plays_of_people")).fetchnumpy()
        shown = self._db.execute(sql("inference", "shown_before")).fetchnumpy()
        self._db.unregister("pair")
        often = np.log1p(people["plays"])[:, None]
        found = np.zeros((len(artworks), _MET))
        found[people["pair_no"], :-2] = np.hstack([np.ones_like(often), np.maximum(often - np.array(_OFTEN), 0)])
        found[shown["pair_no"], -2:] = np.log1p(np.stack([shown["shown"], shown["unplayed"]], axis=1))
        return found

    def training(self) -> Iterator[tuple[Floats, Floats]]:
        """Blocks of what was shown to the members of split train: features (n, width), and rewards (n,)."""
        query = "SELECT member_id, asked_at, device, artwork_id, reward FROM training ORDER BY prompt_id"
        rows = tables.arrow(self._db, query)
        members, moments, devices, shown = (
            rows[name].to_pylist() for name in ("member_id", "asked_at", "device", "artwork_id")
        )
        rewards = rows["reward"].to_numpy()
        told = self.told(members, moments, devices, [[artwork] for artwork in shown])
        for begin in range(0, len(shown), _ROWS):
            some = slice(begin, begin + _ROWS)
            yield self.of(told, some), rewards[some]

    def of_prompts(self, prompts: Sequence[Prompt]) -> Iterator[Floats]:
        """For each prompt the features (candidates, width)."""
        artworks = [each.artwork_ids for each in prompts]
        told = self.told(
            [each.member_id for each in prompts],
            [each.asked_at for each in prompts],
            [each.device for each in prompts],
            artworks,
        )
        end = 0
        for each in artworks:
            begin, end = end, end + len(each)
            yield self.of(told, slice(begin, end))


READ = ("training", "tag", "embedding", "depicted_told", "title_told", "history_told")
"""What `learnt` reads, for the fingerprint of a ranker that chooses by it."""


@lru_cache(maxsize=1)
def learnt(data: Data) -> tuple[Features, linear_bandit.Posterior]:
    """The features, and the reward as a linear function of them: once for all rankers of a run that choose by it."""
    features = Features(data)
    return features, linear_bandit.sums(features.training(), features.width).posterior()


def _looks(db: duckdb.DuckDBPyConnection) -> tuple[dict[str, int], Floats, Floats]:
    """(row by artwork, tag probabilities, vectors); a row more than artworks, of zeros, stands for any other."""
    tags = db.execute(
        "SELECT artwork_id, attribute || ':' || label AS tag, probability FROM tag ORDER BY ALL"
    ).fetchnumpy()
    found = tables.arrow(db, "SELECT artwork_id, embedding FROM embedding ORDER BY artwork_id")
    ids = sorted({*tags["artwork_id"], *found["artwork_id"].to_pylist()})
    at = {artwork: place for place, artwork in enumerate(ids)}
    names = {name: place for place, name in enumerate(sorted(set(tags["tag"])))}
    probabilities = np.zeros((len(ids) + 1, len(names)))
    rows, columns = ([place[name] for name in tags[key]] for place, key in ((at, "artwork_id"), (names, "tag")))
    probabilities[rows, columns] = tags["probability"]
    known = matrix(found["embedding"])
    vectors = np.zeros((len(ids) + 1, known.shape[1]))
    vectors[[at[artwork] for artwork in found["artwork_id"].to_pylist()]] = known
    return at, probabilities, vectors


def matrix(vectors: pa.ChunkedArray) -> Floats:
    """A column of vectors of one length as (n, length)."""
    if not len(vectors):
        return np.zeros((0, 0))
    flat = vectors.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    found: Floats = flat.reshape(len(vectors), -1).astype(np.float64)
    return found


def _components(vectors: Floats) -> Floats:
    """The first principal components of the rows that are not zero, each of unit variance and with its sign settled."""
    known: npt.NDArray[np.bool_] = np.any(vectors, axis=1)
    if known.sum() < 2:
        return np.zeros((len(vectors), 0))
    centred = vectors - vectors[known].mean(axis=0)
    _, size, axes = np.linalg.svd(centred[known], full_matrices=False)
    axes = axes[:COMPONENTS][size[:COMPONENTS] > 1e-9 * size[0]]
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    parts = np.where(known[:, None], centred @ axes.T, 0)
    scaled: Floats = parts / parts[known].std(axis=0)
    return scaled


def played_vectors(data: Data, asked: Iterable[Prompt]) -> Iterator[tuple[Prompt, Floats]]:
    """Each prompt with the mean vector of what its member played before; of a title, the mean of its artworks'."""
    rows = tables.arrow(
        data.db,
        """SELECT title_id, embedding FROM embedding JOIN artwork_present USING (artwork_id)
        ORDER BY title_id, artwork_id""",
    )
    vectors, titles = matrix(rows["embedding"]), rows["title_id"].to_pylist()
    names = sorted(set(titles))
    at = {title: place for place, title in enumerate(names)}
    places = np.array([at[title] for title in titles], dtype=int)
    means = np.zeros((len(names), vectors.shape[1]))
    np.add.at(means, places, vectors)
    means /= np.bincount(places, minlength=len(names))[:, None] if names else 1
    yield from means_of_played(data, asked, names, means)


def means_of_played(
    data: Data, asked: Iterable[Prompt], titles: Sequence[str], vectors: Floats
) -> Iterator[tuple[Prompt, Floats]]:
    """Each prompt with the mean of `vectors` (titles, d) over what its member played before, or 0."""
    prompts = list(asked)
    numbered = pa.table(
        {"title_id": pa.array(titles, pa.string()), "title_no": pa.array(range(len(titles)), pa.int64())}
    )
    data.db.register("numbered_title", numbered)
    data.db.execute("CREATE OR REPLACE TEMP TABLE title_vector AS FROM numbered_title")
    data.db.unregister("numbered_title")
    for begin in range(0, len(prompts), _ROWS):
        some = prompts[begin : begin + _ROWS]
        with Asked(data.db, [each.member_id for each in some], [each.asked_at for each in some]):
            found = data.db.execute(sql("inference", "played_titles")).fetchnumpy()
        plays = np.zeros((len(some), len(titles)))
        plays[found["moment_no"], found["title_no"]] = found["plays"]
        yield from zip(some, plays @ vectors / np.maximum(plays.sum(axis=1, keepdims=True), 1), strict=True)
