"""Near-duplicates are all the pairs from a cosine on, whatever the size of blocks and however many runs found them."""

import hashlib

import duckdb
import numpy as np
import pytest
from PIL import Image

from featurize.execution.plan import Item, Shard
from featurize.featurizing import near_duplicates
from featurize.featurizing.near_duplicates import Comparison
from featurize.inference.extractor import Placement
from featurize.storage import tables, views
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin
from jobs import cli, featurize


def sha(name):
    return hashlib.sha256(str(name).encode()).hexdigest()


def embeddings(store, vectors, part):
    """Commit unit-norm vectors by name."""
    rows = {
        "image_sha256": [sha(name) for name in vectors],
        "model_key": ["m"] * len(vectors),
        "embedding": np.array(list(vectors.values()), np.float32),
        **Origin("r", "v").columns(len(vectors)),
        "computed_at": [0] * len(vectors),
    }
    store.commit("image_embedding", "m", part, tables.rows("image_embedding", rows))


def compare(store, names, min_cosine=0.9):
    """The rows of some pictures, compared with all that the store has: {name: (others, cosines, found)}."""
    items = tuple(Item(key, "") for key in sorted(map(sha, names)))
    finished = []
    with Lease(store, "test", "r") as lease:
        work = Comparison("compare", Placement(), "m", "c", min_cosine, 1, store, lease.fence, Origin("r", "v"))
        outcome = work.run(Shard("c", items), work.load(), finished.append)
        assert work.committed(Shard("c", items))[1].items == ()
    assert outcome.done == sum(finished) == len(items)
    names = {sha(name): name for name in names}
    asked = f"SELECT image_sha256, near, cosines, found FROM '{store.glob('near_picture')}'"
    return {names[key]: row for key, *row in duckdb.sql(asked).fetchall() if key in names}


def crowd(count, width, seed=0):
    """Unit vectors in bunches, so that many pairs are near."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((count // 8, width))
    vectors = centres[random.integers(0, len(centres), count)] + 0.25 * random.standard_normal((count, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(enumerate(vectors.astype(np.float32)))


@pytest.mark.parametrize(("block", "tile"), [(8_192, 2_048), (37, 11)])
def test_they_are_all_pairs_from_a_cosine_on(tmp_path, monkeypatch, block, tile):
    monkeypatch.setattr(near_duplicates, "BLOCK", block)
    monkeypatch.setattr(near_duplicates, "TILE", tile)
    store, vectors = Store(str(tmp_path)), crowd(500, 24)
    for part, begin in enumerate(range(0, 500, 90)):
        embeddings(store, {name: vectors[name] for name in range(begin, min(begin + 90, 500))}, f"p{part}")
    found = compare(store, range(200, 500))
    matrix = np.array(list(vectors.values()))
    exact = matrix @ matrix.T
    names = {sha(name): name for name in vectors}
    assert found.keys() == set(range(200, 500))
    for name, (near, cosines, count) in found.items():
        expected = {other for other in vectors if exact[name, other] >= 0.9} - {name}
        assert {names[other] for other in near} == expected
        assert count == len(expected)
        assert cosines == sorted(cosines, reverse=True)
        assert cosines == pytest.approx([exact[name, names[other]] for other in near], abs=1e-6)
    assert sum(count for _, _, count in found.values()) > 1000


def test_of_a_picture_with_many_copies_the_nearest_are_kept_and_all_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(near_duplicates, "TILE", 8)  # so that what is kept is cut on the way, too
    store = Store(str(tmp_path))
    angles = {number: number / 2500 for number in range(1, 401)}
    embeddings(store, {0: (1, 0), **{n: (np.cos(a), np.sin(a)) for n, a in angles.items()}}, "p")
    found = compare(store, range(401))
    near, _, count = found[0]
    assert count == 400
    assert near == [sha(number) for number in range(1, near_duplicates.MOST + 1)]
    assert all(len(row[0]) == near_duplicates.MOST for row in found.values())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three titles: one picture in two of them as two files, another in the third and, the same bytes, in the first."""
    monkeypatch.chdir(tmp_path)
    for title, name, colour, quality in (
        ("a", "1", (20, 3, 3), 90),
        ("b", "1", (20, 3, 3), 60),
        ("c", "1", (2, 20, 9), 90),
        ("a", "2", (2, 20, 9), 90),
        ("c", "2", (1, 1, 25), 90),
    ):
        (tmp_path / "art" / title).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 90), colour).save(tmp_path / "art" / title / f"{name}.jpg", quality=quality)
    return tmp_path / "art"


def run(*sets):
    fake = ("embed.backend=fake", "describe=null", "run.executor=local", "input.artwork=art", *sets)
    flags = [flag for each in fake for flag in ("--set", each)]
    return cli.main("featurize", featurize.__doc__, featurize.featurize, flags)


def pairs():
    with views.connect(Store("store")) as db:
        asked = "SELECT artwork_id, other, same_title, same_file FROM near_duplicate ORDER BY ALL"
        return db.execute(asked).fetchall()


def compared():
    return duckdb.sql("SELECT count(*), count(DISTINCT model_key) FROM 'store/near_picture/**/*.parquet'").fetchall()[0]


@pytest.mark.slow
def test_a_run_compares_what_is_new_and_the_view_shows_artworks_that_are_there(folder, capsys):
    """The fake model's vector is the mean colour and the size: here size says most, and 0.999 tells colours apart."""
    sets = ["near_duplicate=0.999", "input.max_removed=1"]
    assert run(*sets) == 0
    told = capsys.readouterr().out
    assert "near-duplicates 2" in " ".join(told.replace("\N{NO-BREAK SPACE}", " ").split())
    first = [("a/1.jpg", "b/1.jpg", False, False), ("a/2.jpg", "c/1.jpg", False, True)]
    assert pairs() == first
    assert compared() == (4, 1)  # one picture is there twice

    Image.new("RGB", (60, 90), (2, 20, 10)).save(folder / "c" / "3.jpg", quality=95)
    (folder / "b" / "1.jpg").rename(folder.parent / "away.jpg")
    assert run(*sets) == 0
    new = [("a/2.jpg", "c/3.jpg", False, False), ("c/1.jpg", "c/3.jpg", True, False)]
    assert pairs() == sorted([first[1], *new])
    assert compared() == (5, 1)

    (folder.parent / "away.jpg").rename(folder / "b" / "1.jpg")
    assert run("near_duplicate=0.6") == 0  # another comparison, of all; and it is the one that is shown
    assert compared() == (10, 2)
    assert len(pairs()) == 6 * 5 / 2
    assert run(*sets) == 0  # nothing to do, and shown again
    assert compared() == (10, 2)
    assert pairs() == sorted([*first, *new])
