"""What is current is declared, or covers the catalogue; whoever ran last changes nothing by that alone."""

import pytest

from featurize.errors import RefusedInput
from featurize.storage import current, views
from featurize.storage.store import Store
from featurize.storage.tables import Origin

from .stores import artwork, commit, describe, model, night, run

PICTURES = "0123456789abcdef"


@pytest.fixture
def store(tmp_path):
    """Sixteen artworks that words-1 has described, in a finished run."""
    made = Store(str(tmp_path))
    commit(made, "artwork", [artwork(f"a{sha}", "t", sha, 1) for sha in PICTURES])
    ran(made, "words-1", PICTURES, 1)
    return made


def ran(store, key, pictures, on, outcome="done"):
    model(store, key, on)
    describe(store, key, dict.fromkeys(pictures, key))
    run(store, f"r{on}", on, {"describe": key}, outcome)


def settle(store, *used):
    return current.settle(store, [("describe", key) for key in used], Origin("this run", "v"))


def declare(store, dry_run=False, **pins):
    return current.declare(store, pins, Origin("this run", "v"), dry_run=dry_run)


def descriptions(store):
    with views.connect(store) as db:
        assert (
            db.execute("SELECT DISTINCT caption FROM artwork_features").fetchall()
            == db.execute("SELECT model_key FROM coverage WHERE current").fetchall()
        )
        return db.execute("SELECT model_key, because FROM current_model WHERE feature = 'description'").fetchall()[0]


def test_an_experiment_changes_nothing_and_is_told_so(store):
    assert settle(store, "words-1") == []
    ran(store, "words-2", "01", 2)
    assert settle(store, "words-2") == [
        "the current descriptions are still those of words-1, which covers 16; words-2 covers 2"
        " (pin.describe=words-2 declares it)"
    ]
    assert descriptions(store) == ("words-1", "coverage")


@pytest.mark.slow
def test_a_new_model_takes_over_when_it_has_done_what_the_old_one_had(store):
    settle(store)
    ran(store, "words-2", PICTURES[:8], 2, outcome="interrupted")
    settle(store)
    assert descriptions(store) == ("words-1", "coverage")
    describe(store, "words-2", dict.fromkeys(PICTURES[8:], "words-2"), "rest")
    assert settle(store) == []  # all there, and no finished run with it yet
    run(store, "r3", 3, {"describe": "words-2"})
    assert settle(store, "words-2") == [
        "the current descriptions are now those of words-2, by coverage; they were those of words-1"
    ]
    assert descriptions(store) == ("words-2", "coverage")
    assert settle(store, "words-2") == []
    run(store, "r4", 4, {"describe": "words-1"})  # the operator goes back, and nothing is to be done
    assert settle(store, "words-1")[0].startswith("the current descriptions are now those of words-1")
    with views.connect(store) as db:
        history = db.execute("SELECT model_key FROM production WHERE feature = 'description' ORDER BY computed_at")
        assert history.fetchall() == [("words-1",), ("words-2",), ("words-1",)]


def test_failed_descriptions_and_removed_pictures_cover_nothing(store):
    commit(store, "artwork", [artwork("a0", "t", "0", 2, present=False)], part="removed")
    model(store, "words-2", 2)
    describe(store, "words-2", dict.fromkeys(PICTURES, None), status="invalid_json")
    run(store, "r2", 2, {"describe": "words-2"})
    found = current.standings(store)
    assert [(each.model_key, each.covers, each.current) for each in found] == [
        ("words-1", 15, True),
        ("words-2", 0, False),
    ]


def test_one_picture_in_a_hundred_does_not_hold_a_new_model_back(tmp_path):
    store = Store(str(tmp_path))
    pictures = [f"{n:x}".rjust(2, "0") for n in range(200)]
    commit(store, "artwork", [artwork(f"a{each}", "t", each, 1) for each in pictures])
    for on, (key, done) in enumerate({"words-1": 200, "words-2": 198, "words-3": 197}.items()):
        model(store, key, on)
        describe(store, key, dict.fromkeys(pictures[:done], key))
        run(store, f"r{on}", on, {"describe": key})
    assert [each.model_key for each in current.standings(store) if each.current] == ["words-2"]


def test_a_pin_holds_against_coverage_until_it_is_taken_back(store):
    settle(store)
    ran(store, "words-2", "01", 2)
    assert declare(store, describe="words-2") == [
        "the current descriptions are now those of words-2, pinned; they were those of words-1"
    ]
    assert declare(store, describe="words-2") == []
    ran(store, "words-3", PICTURES, 3)
    assert settle(store, "words-3") == [
        "the current descriptions are still those of words-2, which is pinned; words-3 covers 16"
        " (pin.describe=words-3 declares it)"
    ]
    with views.connect(store) as db:
        assert db.execute("SELECT count(caption) FROM artwork_features").fetchall() == [(2,)]
    assert declare(store, describe="coverage") == [
        "the current descriptions are now those of words-3, by coverage; they were those of words-2"
    ]
    assert declare(store, describe="coverage") == []
    assert descriptions(store) == ("words-3", "coverage")


def test_a_pin_that_names_no_model_of_the_store_is_refused(store):
    with pytest.raises(RefusedInput, match=r"pin.describe: .* no descriptions by 'words-9', but by words-1"):
        declare(store, describe="words-9")
    assert declare(store, dry_run=True, describe="words-1") != []
    assert store.parts("production") == []


def test_a_pin_from_before_the_first_row_counts_from_then_on(tmp_path):
    store = Store(str(tmp_path))
    declare(store, describe="words-2")
    commit(store, "artwork", [artwork(f"a{sha}", "t", sha, 1) for sha in PICTURES])
    ran(store, "words-2", "0", 1)
    ran(store, "words-1", PICTURES, 2)
    settle(store, "words-1")
    with views.connect(store) as db:
        assert db.execute("SELECT model_key FROM current_model").fetchall() == [("words-2",)]


def test_what_was_current_earlier_is_known(store):
    settle(store)
    ran(store, "words-2", PICTURES, 2)
    assert current.models(store, night(1, 1).isoformat())["description"].model_key == "words-1"
    assert current.models(store)["description"].model_key == "words-1"
    settle(store)
    assert current.models(store)["description"].model_key == "words-2"


def prompts(store, recipe, kind, on, count):
    """Rows of one recipe on one day, and the finished run that wrote them."""
    labelled = {"impression_id": "i", "answer": "A", "reward": 1.0, "propensity": 0.5, "split": "train"}
    row = {
        "kind": kind,
        **(labelled if kind == "logged" else dict.fromkeys(labelled)),
        "member_id": "m",
        "title_id": "t",
        "asked_at": night(on),
        "artwork_ids": ["a", "b"],
        "same_as": [1, 2],
        "messages": [{"role": "user", "content": "?"}],
        "prompt": "?",
        "template_key": "x",
        "model_key": "words-1",
        "recipe_key": recipe,
        "tokens": 1,
        "tokens_by": "characters",
    }
    ids = [{"prompt_id": f"{recipe}-{on}-{number}".ljust(32, "."), "impression_id": None} for number in range(count)]
    if kind == "logged":
        ids = [each | {"impression_id": f"i{on}-{number}"} for number, each in enumerate(ids)]
    commit(store, "prompt", [row | each for each in ids], recipe, f"night-{on}")
    model(store, recipe, on, kind=kind)
    run(store, f"{recipe}-{on}", on, {"prompts": recipe})


def test_a_recipe_over_two_impressions_does_not_double_what_is_trained_on(store):
    prompts(store, "recipe-1", "logged", 1, 8)
    settle(store)
    prompts(store, "recipe-2", "logged", 2, 2)
    assert settle(store, "recipe-2") == [
        "the current logged prompts are still those of recipe-1, which covers 8; recipe-2 covers 2"
        " (pin.recipe=recipe-2 declares it)"
    ]
    with views.connect(store) as db:
        counted = {
            name: db.execute(f"SELECT count(DISTINCT prompt_id), any_value(recipe_key) FROM {name}").fetchall()[0]
            for name in ("current_prompt", "sft", "dpo", "prompt_lineage")
        }
        assert set(counted.values()) == {(8, "recipe-1")}
        assert db.execute("SELECT recipe_key, current, prompts FROM recipe").fetchall() == [
            ("recipe-1", True, 8),
            ("recipe-2", False, 2),
        ]
        lineage = "SELECT count(DISTINCT prompt_id), current FROM lineage WHERE recipe_key = 'recipe-2' GROUP BY ALL"
        assert db.execute(lineage).fetchall() == [(2, False)]
    declare(store, recipe="recipe-2")
    with views.connect(store) as db:
        assert db.execute("SELECT DISTINCT recipe_key FROM sft").fetchall() == [("recipe-2",)]
    prompts(store, "recipe-3", "nightly", 3, 1)
    with pytest.raises(RefusedInput, match=r"pin\.nightly_recipe"):
        declare(store, nightly_recipe="recipe-2")  # its prompts are logged ones


def test_a_nightly_recipe_takes_over_after_one_full_night(store):
    for on in range(1, 9):
        prompts(store, "old", "nightly", on, 5)
    settle(store)
    prompts(store, "trial", "nightly", 9, 2)
    prompts(store, "logs", "logged", 9, 1)
    settle(store)
    keys = {each.model_key for each in current.models(store).values()}
    assert keys == {"words-1", "old", "logs"}
    prompts(store, "new", "nightly", 10, 5)
    settle(store)
    assert current.models(store)["nightly_prompt"].model_key == "new"
