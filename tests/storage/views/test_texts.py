"""The views that find by words: nearest and plain search over descriptions; titles of which alike things are said."""

import hashlib
import json
from datetime import UTC, datetime

import pytest

from featurize.storage import tables, views
from featurize.storage.store import Store, part_name

AT = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = {"run_id": "run", "code_version": "test", "computed_at": AT}
SAID = {
    "a-1": ("a", "A ship at sea.", [1.0, 0.0, 0.0]),
    "a-2": ("a", "A grey sea at night.", [0.8, 0.6, 0.0]),
    "b-1": ("b", "A tree in the wood.", [0.0, 0.0, 1.0]),
    "c-1": ("c", "A wave.", [0.6, 0.8, 0.0]),
}


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def commit(store, table, rows, folder=""):
    known = tables.contract(table).schema.names
    rows = [{name: value for name, value in (ORIGIN | row).items() if name in known} for row in rows]
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    store.commit(table, folder, part_name([table, repr(rows)]), tables.rows(table, columns))


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    store = Store(str(tmp_path_factory.mktemp("texts") / "store"))
    seen = {"size": 1, "source": "here", "present": True, "seen_at": AT}
    commit(
        store,
        "artwork",
        [
            seen | {"artwork_id": name, "title_id": title, "uri": name, "image_sha256": sha(name)}
            for name, (title, *_) in SAID.items()
        ],
    )
    words = {"raw_text": "{}", "status": "ok", "finish_reason": "stop", "prompt_tokens": 1, "output_tokens": 1}
    commit(
        store,
        "description",
        [
            words | {"image_sha256": sha(name), "model_key": "words-1", "caption": caption}
            for name, (_, caption, _) in SAID.items()
        ],
        "words-1",
    )
    for key, sign in (("labels-1", -1.0), ("texts-1", 1.0)):
        commit(
            store,
            "text_embedding",
            [
                {
                    "text_sha256": sha(text),
                    "model_key": key,
                    "text": text,
                    "embedding": [sign * each for each in vector],
                }
                for _, text, vector in SAID.values()
            ],
            key,
        )
    # What says which model is for texts is the phase that used it; the other made vectors of labels alone.
    phases = [{"name": "labels", "model_key": "labels-1"}, {"name": "text", "model_key": "texts-1"}]
    run = {"job": "featurize", "settings": "{}", "started_at": AT, "seconds": 1.0, "outcome": "done", "message": ""}
    commit(store, "run", [run | {"counts": json.dumps({"phases": phases})}])
    with views.connect(store) as made:
        yield made


def test_the_current_model_of_texts_is_not_that_of_labels(db):
    assert db.execute("SELECT model_key FROM current_model WHERE feature = 'text_embedding'").fetchall() == [
        ("texts-1",)
    ]


def test_descriptions_are_found_by_vector_and_by_words(db):
    rows = db.execute("SELECT artwork_id, cosine FROM nearest_description([1, 0, 0]::FLOAT[], 2)").fetchall()
    assert [name for name, _ in rows] == ["a-1", "a-2"]
    assert [cosine for _, cosine in rows] == pytest.approx([1, 0.8])
    found = db.execute("SELECT artwork_id, words_found FROM search_description('The SEA, at night?', 5)").fetchall()
    assert found == [("a-2", 3), ("a-1", 2), ("b-1", 1)]


def test_titles_of_which_alike_things_are_said_are_similar(db):
    found = db.execute("SELECT title_id, cosine FROM similar_title('a', 5)").fetchall()
    assert [title for title, _ in found] == ["c", "b"]
    assert found[0][1] == pytest.approx((1.8 * 0.6 + 0.6 * 0.8) / (1.8**2 + 0.6**2) ** 0.5)
    assert db.execute("FROM similar_title('nobody', 5)").fetchall() == []
