"""The ranker that reads what `make recommend` made: the artwork that is like what was played before, and only that."""

from datetime import UTC, datetime, timedelta

import pytest

from featurize.errors import RefusedInput
from featurize.inference.ranker import Data, Given, Prompt
from featurize.rankers import two_towers
from featurize.storage import tables

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SEA, WOOD = [1.0, 0.0], [0.0, 1.0]


def prompt(member, asked_at=NOON, artworks=("a-sea", "a-wood")):
    empty = dict.fromkeys(("same_as", "slots", "answer", "propensity", "propensities", "device", "country"))
    return Prompt(
        prompt_id="0" * 32, kind="nightly", member_id=member, title_id="a", asked_at=asked_at,
        artwork_ids=list(artworks), messages=[], language=None, time_zone=None, **empty,
    )  # fmt: skip


@pytest.fixture
def db():
    with tables.connect() as made:
        tables.make(made, "item_vector")
        made.execute(
            """CREATE TABLE history
            (member_id VARCHAR, title_id VARCHAR, event VARCHAR, "at" TIMESTAMPTZ, minutes DOUBLE);
            CREATE VIEW history_told AS SELECT member_id, count(*) AS plays FROM history GROUP BY ALL"""
        )
        for member, title in (("sailor", "t-sea"), ("ranger", "t-wood")):
            made.execute("INSERT INTO history VALUES (?, ?, 'play', ?, 9)", [member, title, NOON - timedelta(days=1)])
            made.execute("INSERT INTO history VALUES (?, 't-wood', 'play', ?, 9)", [member, NOON])
        yield made


def add(db, key, items, at=NOON):
    for kind, name, vector, played in items:
        values = [kind, name, key, vector, played, at]
        db.execute("INSERT INTO item_vector VALUES (?, ?, ?, ?, ?, 'run', 'test', ?)", values)


ITEMS = [("title", f"t-{name}", each, each) for name, each in (("sea", SEA), ("wood", WOOD))]
ITEMS += [("artwork", f"a-{name}", each, None) for name, each in (("sea", SEA), ("wood", WOOD))]


def scores(db, *prompts):
    made = two_towers.Ranker(two_towers.Settings(), Given(data=Data(lambda: db)))
    return [list(ranked.scores) for _, ranked in made.rank(prompts)]


def test_the_artwork_like_what_was_played_before_that_moment_is_first(db):
    add(db, "recommender-1", ITEMS)
    sea, wood, stranger = scores(db, prompt("sailor"), prompt("ranger"), prompt("stranger"))
    assert sea == [1, 0]  # what was played at that very moment, of the wood, does not count
    assert wood == [0, 1]
    assert stranger == [0, 0]
    ((both,),) = [scores(db, prompt("sailor", NOON + timedelta(hours=1)))]
    assert both == pytest.approx([0.5**0.5, 0.5**0.5])
    (unknown,) = scores(db, prompt("sailor", artworks=("a-sea", "never-seen")))
    assert unknown == [1, 0]


def test_the_newest_recommender_with_artworks_is_read_and_named_in_the_key(db):
    add(db, "recommender-1", ITEMS)
    given = Given(data=Data(lambda: db))
    before = two_towers.Ranker.fingerprint(two_towers.Settings(), given)
    add(db, "of-titles-alone", ITEMS[:2], NOON + timedelta(days=2))
    assert two_towers.Ranker.fingerprint(two_towers.Settings(), given) == before
    add(db, "recommender-2", ITEMS, NOON + timedelta(days=1))
    assert two_towers.Ranker.fingerprint(two_towers.Settings(), given) == before | {"vectors": "recommender-2"}


def test_without_vectors_it_says_what_to_run(db):
    with pytest.raises(RefusedInput, match="make recommend"):
        scores(db, prompt("sailor"))
