"""The views show what is committed, by the models in use."""

import pyarrow.parquet as pq
import pytest

from featurize.storage import views
from featurize.storage.store import Store

from .stores import artwork, commit, describe, embed, fill, model, night, refuse, run


def ask(store, question):
    with views.connect(store) as db:
        return db.execute(question).fetchall()


def test_of_models_that_cover_the_same_those_of_the_newest_finished_run_are_current(store):
    current = [("description", "words-1"), ("image_embedding", "clip-new"), ("image_tag", "tags-1")]
    assert ask(store, "SELECT feature, model_key FROM current_model ORDER BY feature") == current
    assert ask(store, "SELECT DISTINCT because FROM current_model") == [("coverage",)]


def test_before_a_run_has_finished_the_newest_model_is_current(tmp_path):
    store = Store(str(tmp_path))
    for key, on in {"clip-b": 1, "clip-a": 2}.items():
        model(store, key, on)
        embed(store, key, {"1": [1, 0]})
    assert ask(store, "SELECT model_key FROM current_model") == [("clip-a",)]


def test_one_row_per_present_artwork_with_what_the_current_models_say(store):
    found = ask(
        store,
        "SELECT artwork_id, caption, tags['mood'].label, tags['people'].probability, embedding, typeof(embedding) "
        "FROM artwork_features ORDER BY ALL",
    )
    kind = "FLOAT[3]"
    near = pytest.approx
    assert found == [
        ("a0", "one", "bright", 0.75, near((1, 0, 0)), kind),
        ("a1", "eight", "dark", 0.75, near((0.6, 0.8, 0)), kind),
        ("a3", "four", None, None, near((0.8, 0.6, 0)), kind),
        ("a4", "five", None, None, near((0, 0.6, 0.8)), kind),
        ("a5", None, None, None, None, kind),
        ("a6", None, None, None, None, kind),
        ("copy", "one", "bright", 0.75, near((1, 0, 0)), kind),
    ]


def test_a_picture_with_two_rows_of_one_model_stays_one_artwork(store):
    embed(store, "clip-new", {"1": [1, 0, 0]}, "again")
    assert ask(store, "SELECT count(*), count(DISTINCT artwork_id) FROM artwork_features") == [(7, 7)]


def test_coverage_adds_up_to_the_pictures_of_today(store):
    found = ask(store, "SELECT feature, model_key, current, pictures, done, quarantined, pending FROM coverage")
    assert found == [
        ("description", "words-1", True, 6, 4, 1, 1),
        ("image_embedding", "clip-new", True, 6, 4, 2, 0),
        ("image_embedding", "clip-broken", False, 6, 1, 1, 4),
        ("image_embedding", "clip-old", False, 6, 4, 1, 1),
        ("image_tag", "tags-1", True, 6, 2, 2, 2),
    ]


@pytest.mark.slow
def test_a_description_that_failed_shows_in_coverage_as_what_it_is(store):
    fields = {"model_key": "words-1", "raw_text": "?", "finish_reason": "stop", "prompt_tokens": 1, "output_tokens": 1}
    commit(store, "description", [fields | {"image_sha256": "6" * 64, "status": "invalid_json"}], "words-1", "failed")
    asked = "SELECT done, failed, failed_as, quarantined, pending, pictures FROM coverage WHERE feature = 'description'"
    assert ask(store, asked) == [(4, 1, {"invalid_json": 1}, 1, 0, 6)]
    later = {"status": "invalid_fields", "computed_at": night(3), "mood": "dark"}
    commit(store, "description", [fields | {"image_sha256": "6" * 64} | later], "words-1", "again")
    assert ask(store, asked) == [(4, 1, {"invalid_fields": 1}, 1, 0, 6)]
    worked = {"status": "ok", "caption": "At last.", "computed_at": night(2)}
    commit(store, "description", [fields | {"image_sha256": "6" * 64} | worked], "words-1", "third")
    assert ask(store, asked) == [(5, 0, {}, 1, 0, 6)]
    assert ask(store, "SELECT count(*), count(DISTINCT image_sha256) FROM described") == [(5, 5)]
    said = "SELECT caption, description_status FROM artwork_features WHERE image_sha256 = repeat('6', 64)"
    assert ask(store, said) == [("At last.", "ok")]


def test_quarantine_is_open_only_where_a_present_picture_still_lacks_a_row(store):
    found = ask(store, "SELECT artwork_ids, reason, attempts, lacks FROM quarantine_open ORDER BY ALL")
    assert found == [
        (["a5"], "model_error", 2, ["image_embedding", "image_tag"]),
        (["a6"], "truncated", 1, ["description", "image_embedding", "image_tag"]),
    ]
    embed(store, "clip-new", {"6": [1, 0, 0]}, "third attempt")
    assert ask(store, "SELECT artwork_ids FROM quarantine_open") == [(["a6"],)]


@pytest.mark.slow
def test_a_file_that_could_not_be_read_is_settled_by_a_later_look_at_it(store):
    refuse(store, "", "decode-1", 1, 2, stage="read", uri="/pictures/new.jpg")
    unread = "SELECT uri, lacks FROM quarantine_open WHERE image_sha256 = ''"
    assert ask(store, unread) == [("/pictures/new.jpg", None)]
    run(store, "r4", 4, {}, outcome="failed")
    assert len(ask(store, unread)) == 1
    run(store, "r5", 5, {})  # would have tried again: it was read, or is no longer listed
    assert ask(store, unread) == []
    refuse(store, "", "decode-1", 3, 5, stage="read", uri="/pictures/new.jpg")
    run(store, "r6", 6, {})  # did not try again, after three attempts
    assert len(ask(store, unread)) == 1
    commit(store, "artwork", [artwork("new", "t1", "9", 7)], part="night7")
    assert ask(store, unread) == []


def test_runs_have_their_counts_unpacked(store):
    assert ask(
        store,
        "SELECT run_id, outcome, counts['artworks found'], counts['removed'], counts['quarantined.truncated'], to_do "
        "FROM runs",
    ) == [("r1", "done", 7, 1, 1, 10), ("r2", "done", 7, 2, 1, 15), ("r3", "failed", 7, 3, 1, 5)]
    phases = ask(store, "SELECT phase, done, quarantined, per_second FROM run_phase WHERE run_id = 'r2' ORDER BY 1")
    assert phases == [("describe", 4, 1, 2.5), ("embed", 4, 1, 2.5), ("tag", 4, 1, 2.5)]


def test_similar_artwork_is_the_cosine_of_present_artworks_without_the_one_asked_for(store):
    found = ask(store, "SELECT artwork_id, cosine FROM similar_artwork('a0', 3)")
    assert found == [("copy", pytest.approx(1)), ("a3", pytest.approx(0.8)), ("a1", pytest.approx(0.6))]
    assert len(ask(store, "FROM similar_artwork('a0', 100)")) == 4
    assert ask(store, "FROM similar_artwork('a5', 3)") == []  # has no vector
    assert ask(store, "FROM similar_artwork('nobody', 3)") == []


def test_nearest_artwork_is_the_cosine_with_a_vector(store):
    found = ask(store, "SELECT artwork_id, cosine FROM nearest_artwork([0, 0.6, 0.8]::FLOAT[], 3)")
    assert found == [("a4", pytest.approx(1)), ("a1", pytest.approx(0.48)), ("a3", pytest.approx(0.36))]
    assert ask(store, "FROM nearest_artwork(NULL, 3)") == []


def test_near_duplicates_are_pairs_of_present_artworks_by_the_current_embeddings(store):
    def compared(key, on, near, **fingerprint):
        model(store, key, on, **fingerprint)
        rows = [
            {"image_sha256": sha * 64, "model_key": key, "near": [other * 64 for other in others]}
            | {"cosines": [0.96] * len(others), "found": len(others)}
            for sha, others in near.items()
        ]
        commit(store, "near_picture", rows, key)

    pair = "SELECT artwork_id, other, cosine, title_id, other_title_id, same_title, same_file FROM near_duplicate"
    copies = ("a0", "copy", 1.0, "t0", "t9", False, True)
    assert ask(store, pair) == [copies]  # one file as two artworks is known without any comparison
    # A pair is in the row of either or of both; 3 is the picture of an artwork that was withdrawn.
    near = {"1": "", "4": "1", "8": "45", "5": "8", "3": "1"}
    compared("near_duplicates-1", 2, near, image="clip-new")
    compared("near_duplicates-2", 3, {"1": "5"}, image="clip-old")
    told = [
        copies,
        ("a0", "a3", pytest.approx(0.96), "t0", "t1", False, False),
        ("a1", "a3", pytest.approx(0.96), "t1", "t1", True, False),
        ("a1", "a4", pytest.approx(0.96), "t1", "t0", False, False),
        ("a3", "copy", pytest.approx(0.96), "t1", "t9", False, False),
    ]
    assert ask(store, f"{pair} ORDER BY ALL") == sorted(told, key=lambda row: row[:2])
    compared("near_duplicates-3", 4, {"5": "4"}, image="clip-new")  # first used later; no run has finished with either
    other = ("a3", "a4", pytest.approx(0.96), "t1", "t0", False, False)
    assert ask(store, f"{pair} ORDER BY ALL") == [copies, other]
    run(store, "r4", 4, {"compare": "near_duplicates-1"})
    run(store, "r5", 5, {"compare": "near_duplicates-3"}, outcome="failed")
    assert len(ask(store, pair)) == 5


def test_a_prompt_leads_back_to_the_picture_as_it_was(store):
    prompt = {
        "prompt_id": "0" * 32,
        "kind": "logged",
        "impression_id": "i1",
        "member_id": "m1",
        "title_id": "t1",
        "asked_at": night(1, 5),
        "artwork_ids": ["a3", "a1"],
        "messages": [{"role": "user", "content": "?"}],
        "prompt": "?",
        "answer": "B",
        "reward": 1.0,
        "propensity": 0.5,
        "split": "train",
        "as_of": night(1, 30),
        "template_key": "x",
        "model_key": "words-1",
        "recipe_key": "y",
        "tokens": 1,
        "tokens_by": "characters",
        "run_id": "r2",
        "computed_at": night(3),
    }
    model(store, "y", 3, kind="logged")
    commit(store, "prompt", [prompt], "y")
    lineage = "SELECT letter, artwork_id, shown, image_sha256[1], caption, backend, prompt_run_id FROM prompt_lineage"
    assert ask(store, f"{lineage} ORDER BY place") == [
        ("A", "a3", False, "4", "four", "words", "r2"),
        ("B", "a1", True, "2", None, "words", "r2"),  # replaced after as_of
    ]
    commit(store, "prompt", [prompt | {"prompt_id": "1" * 32, "as_of": None}], "y", "later")
    assert ask(store, f"{lineage} WHERE prompt_id[1] = '1' AND shown")[0][3:5] == ("8", "eight")


def test_a_store_without_any_part_has_every_view(tmp_path):
    store = Store(str(tmp_path))
    with views.connect(store) as db:
        for name in (*views.TABLES, *views.READABLE[:-5], "current_model"):
            assert db.execute(f"FROM {name}").fetchall() == []
        assert db.execute("FROM similar_artwork('a', 5)").fetchall() == []
        assert db.execute("FROM nearest_artwork([1.0, 0.0]::FLOAT[], 5)").fetchall() == []
        assert db.execute("FROM nearest_description([1.0, 0.0]::FLOAT[], 5)").fetchall() == []
        assert db.execute("FROM search_description('a sea', 5)").fetchall() == []
        assert db.execute("FROM similar_title('a', 5)").fetchall() == []
        empty = {name: db.table(name).types for name in views.TABLES}
    fill(store)
    with views.connect(store) as db:
        assert {name: db.table(name).types for name in views.TABLES} == empty


def test_parts_of_an_earlier_version_that_lack_a_column_are_read_with_null_there(store):
    for part in store.parts("description"):
        path = f"{store.path}/{part}"
        pq.write_table(pq.read_table(path).drop_columns(["palette"]), path)
    assert ask(store, "SELECT DISTINCT palette FROM artwork_features") == [(None,)]
    describe(store, "words-2", {"3": "three"})
    assert ("three", None) in ask(store, "SELECT caption, palette FROM description")
