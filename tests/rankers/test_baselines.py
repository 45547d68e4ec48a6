"""The rankers to beat, on logs whose right answer is known, and on a demo world through the real job."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from featurize.inference.features import Features, played_vectors
from featurize.inference.ranker import Data, Given, Prompt
from featurize.rankers import clip, linucb, popular, thompson
from featurize.storage import tables
from featurize.storage.store import Store
from featurize.storage.tables import sql
from tests.ranking import stores

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
GENRES = ("horror", "romance")
LIKED = {"m1": "horror", "m2": "romance"}
TIDY = "TIMESTAMPTZ"
INPUTS = {"titles": "title", "history": "history", "impressions": "impression"}


def prompt(member, title="t9", artworks=("t9-horror", "t9-romance"), asked_at=NOON, number=0):
    ids = list(artworks)
    empty = dict.fromkeys(("same_as", "slots", "answer", "propensity", "propensities", "device", "country"))
    return Prompt(
        prompt_id=f"{number:032d}", kind="nightly", member_id=member, title_id=title, asked_at=asked_at,
        artwork_ids=ids, messages=[], language=None, time_zone=None, **empty,
    )  # fmt: skip


@pytest.fixture
def data():
    """Titles t0 to t9 of one genre each and an artwork of each look; m1 has played horror, m2 romance; a log in which
    each liked what looks like what they play."""
    db = tables.connect()
    dice = np.random.default_rng(0)
    titles = [(f"t{n}", [GENRES[n % 2]]) for n in range(10)]
    artworks = [(f"{title}-{look}", title, look) for title, _ in titles for look in GENRES]
    db.execute('CREATE TABLE title (title_id VARCHAR, genres VARCHAR[], "cast" VARCHAR[])')
    db.executemany("INSERT INTO title VALUES (?, ?, NULL)", titles)
    db.execute("CREATE TABLE artwork_present (artwork_id VARCHAR, title_id VARCHAR, depicts VARCHAR[])")
    db.executemany("INSERT INTO artwork_present VALUES (?, ?, NULL)", [each[:2] for each in artworks])
    db.execute("CREATE TABLE tag (artwork_id VARCHAR, attribute VARCHAR, label VARCHAR, probability DOUBLE)")
    db.executemany(
        "INSERT INTO tag VALUES (?, 'genre', ?, ?)",
        [(name, each, 0.9 if each == look else 0.1) for name, _, look in artworks for each in GENRES],
    )
    db.execute("CREATE TABLE embedding (artwork_id VARCHAR, embedding FLOAT[3])")
    axes = {"horror": [1.0, 0.0, 0.2], "romance": [0.0, 1.0, 0.2]}
    vectors = [(name, (np.array(axes[look]) + 0.05 * dice.normal(size=3)).tolist()) for name, _, look in artworks]
    db.executemany("INSERT INTO embedding VALUES (?, ?)", vectors)
    db.execute(
        f'CREATE TABLE history (member_id VARCHAR, title_id VARCHAR, event VARCHAR, "at" {TIDY}, minutes DOUBLE)'
    )
    plays = [
        (member, title, "play", NOON - timedelta(days=30, hours=n), 50.0)
        for member, liked in LIKED.items()
        for n, (title, genres) in enumerate(titles)
        if genres == [liked]
    ]
    # What is not from before the moment, or is no play, must not count: m1 turns to romance afterwards.
    later = [("m1", title, "play", NOON + timedelta(microseconds=n), 50.0) for n, (title, _) in enumerate(titles)]
    listed = [("m1", "t1", "list_add", NOON - timedelta(days=1), None)] * 50
    db.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?)", [*plays, *later, *listed])
    db.execute(f'CREATE TABLE impression (member_id VARCHAR, artwork_id VARCHAR, "at" {TIDY}, reward DOUBLE)')
    db.execute(
        f"""CREATE TABLE training (prompt_id VARCHAR, member_id VARCHAR, title_id VARCHAR, asked_at {TIDY},
        artwork_id VARCHAR, reward DOUBLE, device VARCHAR)"""
    )
    log = []
    for n in range(400):
        member, (name, title, look) = ("m1", "m2")[n % 2], artworks[int(dice.integers(18))]
        reward = float(dice.random() < (0.6 if LIKED[member] == look else 0.1))
        log.append((f"p{n}", member, title, NOON - timedelta(days=2), name, reward))
    db.executemany("INSERT INTO training VALUES (?, ?, ?, ?, ?, ?, NULL)", log)
    return Data(lambda: db)


def scores(ranker, *prompts):
    return [said for _, said in sorted(ranker.rank(prompts), key=lambda pair: pair[0])]


def test_popular_is_the_smoothed_take_rate(data):
    data.db.execute("DELETE FROM training")
    shown = [("t0", "t0-horror", 1.0)] * 30 + [("t0", "t0-horror", 0.0)] * 10 + [("t0", "t0-romance", 0.0)] * 10
    rows = [(f"p{n}", "m1", title, NOON, name, reward) for n, (title, name, reward) in enumerate(shown)]
    data.db.executemany("INSERT INTO training VALUES (?, ?, ?, ?, ?, ?, NULL)", rows)
    ranker = popular.Ranker(popular.Settings(), Given(data=data))
    both = ("t0-horror", "t0-romance", "t0-new")
    known, unknown = scores(ranker, prompt("m1", "t0", both), prompt("m1"))
    whole = 30 / 50
    of_title = (30 + 20 * whole) / 70
    assert known.scores == pytest.approx([(30 + 20 * of_title) / 60, (0 + 20 * of_title) / 30, of_title])
    assert unknown.scores == pytest.approx([whole, whole])
    data.db.execute("DELETE FROM training")
    with pytest.raises(Exception, match="learns from logged prompts of split train, and there are none"):
        popular.Ranker(popular.Settings(), Given(data=data))


def test_clip_is_the_cosine_with_the_mean_of_what_was_played(data):
    ranker = clip.Ranker(clip.Settings(), Given(data=data))
    vectors = dict(data.db.execute("SELECT artwork_id, embedding FROM embedding").fetchall())

    def mean(member):
        played = [f"t{n}" for n in range(10) if GENRES[n % 2] == LIKED[member]]
        return np.mean([np.mean([vectors[f"{title}-{look}"] for look in GENRES], axis=0) for title in played], axis=0)

    found = scores(ranker, prompt("m1"), prompt("m2"), prompt("nobody"), prompt("m1", artworks=("t9-horror", "new")))
    for said, member in zip(found, ("m1", "m2"), strict=False):
        one = mean(member)
        shown = [np.array(vectors[name]) for name in ("t9-horror", "t9-romance")]
        assert said.scores == pytest.approx(
            [float(v @ one / np.linalg.norm(v) / np.linalg.norm(one)) for v in shown], abs=1e-6
        )
    assert found[2].scores == [0, 0]
    assert found[3].scores[0] > 0 == found[3].scores[1]


def test_what_is_played_is_from_strictly_before(data):
    first = data.db.execute("SELECT min(\"at\") FROM history WHERE member_id = 'm1'").fetchone()[0]
    for moment, plays in ((first, 0), (first + timedelta(microseconds=1), 1)):
        shares = Features(data).told(["m1"], [moment], [None], [[]]).shares
        assert shares.sum() == plays
        ((_, mean),) = played_vectors(data, [prompt("m1", asked_at=moment)])
        assert bool(mean.any()) == bool(plays)
    told = Features(data).told(["m1", "m2", "x"], [NOON] * 3, [None] * 3, [["t0-horror"], [], ["new", "t1-horror"]])
    np.testing.assert_allclose(told.shares, [[1, 0], [0, 1], [0, 0]])
    assert told.of.tolist() == [0, 2, 2]


@pytest.mark.parametrize("module", [linucb, thompson], ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_bandit_learns_who_likes_what(data, module):
    ranker = module.Ranker(module.Settings(), Given(data=data))
    for member, liked in LIKED.items():
        (said,) = scores(ranker, prompt(member))
        assert GENRES[int(np.argmax(said.scores))] == liked
    again = module.Ranker(module.Settings(), Given(data=Data(lambda: data.db)))  # fitted anew
    assert [each.scores for each in scores(again, prompt("m1"), prompt("m2"))] == [
        each.scores for each in scores(ranker, prompt("m1"), prompt("m2"))
    ]


def test_plays_with_whom_an_artwork_shows_are_from_strictly_before(data):
    """Of several people the one played most counts, and a name is the same in any case."""
    data.db.execute("UPDATE title SET \"cast\" = ['Ann Bly', 'Cy Day'] WHERE title_id IN ('t0', 't2')")
    data.db.execute("UPDATE title SET \"cast\" = ['Ann Bly', 'Ann Bly'] WHERE title_id = 't4'")
    for name, people in (("t0-horror", ["ANN BLY", "Cy Day"]), ("t2-horror", ["Cy Day"]), ("t4-horror", ["Eve Fox"])):
        data.db.execute("UPDATE artwork_present SET depicts = $1 WHERE artwork_id = $2", [people, name])
    artworks = ["t0-horror", "t2-horror", "t4-horror", "t0-romance"]
    told = Features(data).told(["m1", "m2"], [NOON] * 2, [None] * 2, [artworks, artworks])
    often = np.log1p([3, 2, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(told.met[:, 0], [1, 1, 1, 0] * 2)
    np.testing.assert_allclose(told.met[:, 1], often)
    first = data.db.execute("SELECT min(\"at\") FROM history WHERE member_id = 'm1'").fetchone()[0]
    told = Features(data).told(["m1"], [first], [None], [artworks])
    assert told.met[:, 1].tolist() == [0] * 4


def test_an_artwork_shown_before_counts_as_far_as_it_was_known(data):
    """A day later at the earliest what came of it is, and after 60 days it is forgotten."""
    hours = {"t0-horror": [(24, 0), (30, 1)], "t2-horror": [(23, 0), (0, 0), (-1, 0)], "t4-horror": [(61 * 24, 0)]}
    shown = [("m1", name, NOON - timedelta(hours=h), reward) for name, each in hours.items() for h, reward in each]
    data.db.executemany("INSERT INTO impression VALUES (?, ?, ?, ?)", [*shown, ("m1", "t0-horror", NOON, None)])
    told = Features(data).told(["m1", "m2"], [NOON] * 2, [None] * 2, [list(hours), list(hours)])
    np.testing.assert_allclose(told.met[:, -2:], np.log1p([[2, 1], [1, 0], [0, 0], [0, 0], [0, 0], [0, 0]]))


@pytest.mark.parametrize("module", [linucb, thompson], ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_bandit_learns_whom_a_member_watches_and_what_suits_a_device(data, module):
    data.db.execute("DELETE FROM training")
    data.db.execute("UPDATE title SET \"cast\" = ['Ann Bly'] WHERE title_id IN ('t0', 't2', 't4')")  # m1 played these
    data.db.execute("UPDATE artwork_present SET depicts = ['Ann Bly'] WHERE artwork_id LIKE '%-romance'")
    dice, log = np.random.default_rng(1), []
    for n in range(600):
        member, device, look = f"m{1 + n % 2}", ("phone", "television")[n // 2 % 2], GENRES[n // 4 % 2]
        good = (look == "romance") == (member == "m1" or device == "phone")  # m1 watches who is on these
        reward = float(dice.random() < (0.7 if good else 0.1))
        log.append((f"p{n}", member, "t0", NOON - timedelta(days=2), f"t{n % 9}-{look}", reward, device))
    data.db.executemany("INSERT INTO training VALUES (?, ?, ?, ?, ?, ?, ?)", log)
    ranker = module.Ranker(module.Settings(), Given(data=data))
    for member, device, wanted in (("m2", "phone", 1), ("m2", "television", 0), ("m1", "phone", 1)):
        (said,) = scores(ranker, replace(prompt(member), device=device))
        assert int(np.argmax(said.scores)) == wanted


def test_thompson_draws_and_linucb_does_not(data):
    # Little is known of who has played nothing.
    (said,) = scores(thompson.Ranker(thompson.Settings(noise=1.0), Given(data=data)), prompt("nobody"))
    assert math.isclose(sum(said.propensities), 1)
    assert min(said.propensities) > 0.02
    (said,) = scores(linucb.Ranker(linucb.Settings(), Given(data=data)), prompt("nobody"))
    assert said.propensities is None


@pytest.mark.parametrize("module", [popular, clip, linucb, thompson], ids=lambda one: one.__name__.rpartition(".")[2])
def test_the_key_covers_what_it_learns_from_and_not_the_night_after(data, module):
    text = sql("ranking", "data")
    data.db.execute(text[text.index("CREATE TEMP VIEW history_told") :])

    def key():  # as a run of its own computes it
        return module.Ranker.fingerprint(module.Settings(), Given(data=Data(lambda: data.db)))

    before = key()
    data.db.execute(f"INSERT INTO history VALUES ('m1', 't3', 'play', '{NOON + timedelta(days=9)}'::{TIDY}, 5)")
    assert key() == before
    changed = "embedding" if module is clip else "training"
    column = {"embedding": "embedding = [0, 0, 1]", "training": "reward = 1 - reward"}[changed]
    data.db.execute(f"UPDATE {changed} SET {column} WHERE rowid = 0")
    assert key() != before


@pytest.fixture(scope="module")
def prompted(tmp_path_factory):
    """A store with prompts that name members by a keyed hash, and with vectors and tags of its artworks."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMBER_KEY", "secret")
        store = stores.with_prompts(folder, prompts__member_key_env="MEMBER_KEY")
    pictures = sorted({row["image_sha256"] for row in stores.rows(store, f"FROM '{store}/artwork/**/*.parquet'")})
    dice, many = np.random.default_rng(0), {"run_id": ["x"], "code_version": ["x"], "computed_at": [NOON]}
    for name, columns in {
        "image_embedding": {"embedding": [vector / np.linalg.norm(vector) for vector in dice.normal(size=(99, 4))]},
        "image_tag": {
            "attribute": ["mood"] * 99, "label": ["dark"] * 99, "score": [0.1] * 99, "probability": dice.random(99),
        },
    }.items():  # fmt: skip
        count = len(pictures)
        rows = {key: each[:count] for key, each in columns.items()} | {k: v * count for k, v in many.items()}
        rows |= {"image_sha256": pictures, "model_key": ["m"] * count}
        Store(str(store)).commit(name, "m", name, tables.rows(name, rows))
    return folder


def ranked(folder, store, **changes):
    files = {f"input__{given}": folder / f"{name}.parquet" for given, name in INPUTS.items()}
    return stores.run(store, rank__rankers='["popular", "clip", "linucb", "thompson"]', **files, **changes)


@pytest.mark.slow
def test_they_rank_a_store_through_the_job(prompted, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEMBER_KEY", "secret")
    store = stores.copied(prompted / "store", tmp_path)
    assert ranked(prompted, store, prompts__member_key_env="MEMBER_KEY") == 0
    query = (
        "SELECT split_part(model_key, '-', 1) AS name, count(*) AS n, stddev(score) > 0 AS told FROM ranking GROUP BY 1"
    )
    found = {row["name"]: row for row in stores.rows(store, query)}
    assert found.keys() == {"popular", "clip", "linucb", "thompson"}
    assert len({row["n"] for row in found.values()}) == 1
    # Found under their pseudonyms, members have a history: else clip would give every artwork 0.
    assert all(row["told"] for row in found.values())


@pytest.mark.slow
def test_members_named_by_another_secret_are_refused(prompted, tmp_path, monkeypatch, capsys):
    store = stores.copied(prompted / "store", tmp_path)
    assert ranked(prompted, store) == 2
    assert "names members by a keyed hash of another secret" in capsys.readouterr().err
    monkeypatch.setenv("MEMBER_KEY", "other")
    assert ranked(prompted, store, prompts__member_key_env="MEMBER_KEY") == 2
    assert not (store / "ranking").exists()
