"""`make evaluate` on stores written row by row: what it finds, what it counts, what it refuses."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from featurize.storage import tables, views
from tests.evaluating import stores
from tests.evaluating.stores import run, values, write


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def by_policy(store, estimator="dr"):
    return {row["policy"]: row for row in values(store, f"slice = 'all' AND estimator = '{estimator}'")}


ROWS = stores.prompts(members=400)
HELD_OUT = [row for row in ROWS if row["split"] == "held_out"]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    store = write(tmp_path_factory.mktemp("evaluated") / "store", ROWS)
    assert run(store) == 0
    return store


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr", "beta_ips"])
def test_every_ranker_is_compared_with_production_and_the_better_one_is_above(evaluated, estimator):
    found = by_policy(evaluated, estimator)
    assert set(found) == {"logged", "logged_greedy", "best", "random", "first"}
    assert found["logged"]["value"] == pytest.approx(np.mean([row["reward"] for row in HELD_OUT]))
    assert found["logged"]["lift"] == pytest.approx(0)
    assert found["best"]["low"] < 0.6 < found["best"]["high"]
    assert found["best"]["lift_low"] > 0.3
    assert found["best"]["lift_low_of_all"] < found["best"]["lift_low"]
    # The first one is production's likeliest, and so the same policy under another name.
    same = ("value", "low", "high", "lift", "lift_low", "lift_high")
    assert [found["first"][name] for name in same] == pytest.approx([found["logged_greedy"][name] for name in same])
    assert found["random"]["rounds"] == len(HELD_OUT) == 800
    assert found["random"]["mean_weight"] == pytest.approx(1, abs=0.1)


def test_what_has_no_interval(evaluated):
    assert all(row["low"] is None for row in by_policy(evaluated, "replay").values())  # this log is not uniform
    assert all(row["low"] is None for row in by_policy(evaluated, "clipped").values())


def test_ips_is_what_a_hand_would_compute(evaluated):
    terms = [
        (row["reward"] / row["propensity"], 1 / row["propensity"])
        if stores.LETTERS.index(row["answer"]) == stores.liked(row)
        else (0.0, 0.0)
        for row in HELD_OUT
    ]
    above, below = np.array(terms).T
    assert by_policy(evaluated, "ips")["best"]["value"] == pytest.approx(above.mean())
    assert by_policy(evaluated, "snips")["best"]["value"] == pytest.approx(above.sum() / below.sum())
    assert by_policy(evaluated, "ips")["best"]["effective_rounds"] == pytest.approx(below.sum() ** 2 / (below**2).sum())
    clipped = np.minimum(below, 10) * (above > 0)
    assert by_policy(evaluated, "clipped")["best"]["value"] == pytest.approx(clipped.mean())


def test_slices_are_parts_of_the_rounds(evaluated):
    found = values(evaluated, "policy = 'best' AND slice <> 'all' AND estimator = 'dr'")
    parts = {(row["slice"], row["part"]): row["rounds"] for row in found}
    assert parts["title", "never in training"] == 800
    assert parts["device", "phone"] + parts["device", "television"] == 800
    assert parts["candidates", "2"] + parts["candidates", "3 to 4"] == 800
    assert parts["theme", "drama"] == parts["theme", "war"]
    assert parts["theme", "drama"] + parts["theme", "comedy"] == 800
    assert parts["member", "shown 1 to 9 times"] == 800  # each has two prompts in training


@pytest.mark.slow
def test_the_plot_is_a_picture(tmp_path):
    store = write(tmp_path / "store", stores.prompts(members=100))
    assert run(store, "evaluate.plot=plots/forest.png") == 0
    with Image.open(tmp_path / "plots/forest.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
    (tmp_path / "taken").mkdir()
    assert run(store, "evaluate.plot=taken") == 2


def test_every_prompt_is_used_or_counted_under_a_reason(tmp_path, capsys):
    rows = stores.prompts(members=100)
    store = write(tmp_path / "store", rows, {"best-1": stores.liked})
    held_out = [row for row in rows if row["split"] == "held_out"]
    stores.commit(store, "model", [{"model_key": "half-1", "backend": "half", "fingerprint": "{}"}])
    other = [row | {"artwork_ids": [*row["artwork_ids"][:-1], "gone"]} for row in held_out[:7]]
    wrong = stores.ranking(held_out[7:10], "half-1", lambda row: 0.5 * stores.uniform(row))
    right = stores.ranking(held_out[10:150], "half-1", stores.uniform)
    stores.commit(store, "ranking", stores.ranking(other, "half-1", stores.uniform) + wrong + right, "half-1")
    assert run(store) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "half: 7 of 200 prompts left out: other candidates" in told
    assert "half: 3 of 200 prompts left out: probabilities that do not sum to one" in told
    assert "half: 50 of 200 prompts left out: not ranked" in told
    assert "compare lifts" in told
    found = by_policy(store)
    assert found["half"]["rounds"] == 140
    assert found["best"]["rounds"] == 200
    # Its lift is over production on the same 140.
    mean = np.mean([row["reward"] for row in held_out[10:150]])
    assert found["half"]["lift"] == pytest.approx(found["half"]["value"] / mean - 1)


@pytest.mark.slow
def test_the_newest_label_counts(tmp_path):
    rows = stores.prompts(members=50)
    store = write(tmp_path / "store", rows)
    labels = [{"impression_id": row["impression_id"], "revision": 2, "reward": 1.0} for row in rows]
    stores.commit(store, "label", labels)
    assert run(store) == 0
    assert by_policy(store)["logged"]["value"] == 1


@pytest.mark.slow
def test_the_same_again_writes_nothing_and_another_label_does(tmp_path, capsys):
    store = write(tmp_path / "store", stores.prompts(members=50))
    assert run(store) == 0
    assert run(store) == 0
    assert "was there already" in " ".join(capsys.readouterr().out.split())
    assert len(store.parts("policy_value")) == 1
    stores.commit(store, "label", [{"impression_id": "i3", "revision": 2, "reward": 0.25}])
    assert run(store) == 0
    assert len(store.parts("policy_value")) == 2


@pytest.mark.slow
def test_a_dry_run_writes_nothing(tmp_path, capsys):
    store = write(tmp_path / "store", stores.prompts(members=50))
    assert run(store, "evaluate.plot=forest.png", dry_run=True) == 0
    assert "best" in capsys.readouterr().out
    assert not store.parts("policy_value")
    assert not (tmp_path / "forest.png").exists()


def refusal(store, capsys, *settings):
    assert run(store, *settings) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert not store.parts("policy_value")
    return told


@pytest.mark.slow
def test_what_cannot_be_judged_is_refused_in_a_sentence(tmp_path, capsys):
    rows = stores.prompts(members=30)
    ranked = write(tmp_path / "ranked", rows)
    assert "there is no policy 'loged' here, but logged, logged_greedy, best, first, random; did you mean logged?" in (
        refusal(ranked, capsys, "evaluate.baseline=loged")
    )
    assert "evaluate.models: 'llm-9' has ranked none" in refusal(ranked, capsys, "evaluate.models=['llm-9']")
    assert "run `make rank` first" in refusal(write(tmp_path / "unranked", rows, {}), capsys)
    trained = [row | {"split": "train"} for row in rows]
    assert "has no held-out prompts" in refusal(write(tmp_path / "trained", trained, {}), capsys)
    empty = write(tmp_path / "empty", rows)
    for part in empty.parts("prompt"):
        empty.delete(part)
    assert "run `make prompts` first" in refusal(empty, capsys)


def test_propensities_that_do_not_fit_what_was_shown_are_refused_or_said_to_be_worthless(tmp_path, capsys):
    """The log says uniform, and production showed the first one more than half of the time."""
    rows = stores.prompts(members=600)
    wrong = [row | {"propensity": 1 / len(row["artwork_ids"]), "propensities": None} for row in rows]
    for row in wrong:
        k = len(row["artwork_ids"])
        row["propensity"] = 0.5 if row["answer"] == "A" else 0.5 / (k - 1)
    store = write(tmp_path / "store", wrong)
    told = refusal(store, capsys)
    assert "the propensities of the held-out prompts do not fit what was shown" in told
    assert run(store, "evaluate.doubtful=warn") == 0
    assert "WORTHLESS" in capsys.readouterr().out
    assert all("do not fit" in row["warnings"][0] for row in values(store))


def test_what_makes_a_policy_doubtful_is_said_beside_it(tmp_path, capsys):
    rows = stores.prompts(members=60)
    for row in rows:  # production never shows the last candidate of titles with three or more
        k = len(row["artwork_ids"])
        if k > 2:
            row["propensities"] = [1 / (k - 1)] * (k - 1) + [0.0]
            shown = min(stores.LETTERS.index(row["answer"]), k - 2)
            row |= {"answer": stores.LETTERS[shown], "propensity": 1 / (k - 1)}
    store = write(tmp_path / "store", rows, {"last-1": lambda row: len(row["artwork_ids"]) - 1, "best-1": stores.liked})
    assert run(store, "evaluate.min_effective=100") == 0
    told = " ".join(capsys.readouterr().out.split())
    found = by_policy(store)
    assert any("the log could never show" in words for words in found["last"]["warnings"])
    assert any("fewer than evaluate.min_effective = 100" in words for words in found["last"]["warnings"])
    assert found["logged"]["warnings"] == []
    assert "last: " in told
    assert "100% of the held-out prompts are of members with other prompts in training" in told
    assert "2 rankers are compared on the same prompts" in told


@pytest.mark.slow
def test_one_round_that_carries_the_result_is_told(tmp_path, capsys):
    rows = [row | {"reward": 0.0} for row in stores.prompts(members=40)]
    for row in rows:
        if row["split"] == "held_out" and stores.LETTERS.index(row["answer"]) == stores.liked(row):
            row["reward"] = 1.0
            break
    store = write(tmp_path / "store", rows)
    assert run(store, "evaluate.min_effective=1") == 0
    assert "best: one round carries 100% of its value" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_prompts_without_the_propensities_of_all_candidates_lack_only_the_greedy_policy(tmp_path):
    rows = [row | {"propensities": None} for row in stores.prompts(members=60)]
    store = write(tmp_path / "store", rows, titles=False)
    assert run(store) == 0
    assert set(by_policy(store)) == {"logged", "best", "first", "random"}


@pytest.mark.slow
def test_another_baseline_and_estimator(tmp_path, capsys):
    store = write(tmp_path / "store", stores.prompts(members=60))
    assert run(store, "evaluate.baseline=random", "evaluate.estimator=snips") == 0
    found = by_policy(store, "snips")
    assert all(row["main"] and row["baseline"] == "random" for row in found.values())
    assert found["best"]["lift"] == pytest.approx(found["best"]["value"] / found["random"]["value"] - 1)
    assert "over random" in capsys.readouterr().out


@pytest.mark.slow
def test_a_store_without_evaluations_has_the_views_too(tmp_path):
    store = write(tmp_path / "store", stores.prompts(members=5))
    assert views.connect(store).execute("FROM latest_policy_value").fetchall() == []


@pytest.mark.slow
def test_new_members_are_those_whom_neither_history_nor_log_knows(tmp_path):
    """Half of the members have no prompt in training and are asked once; half of these have history."""
    rows = [
        row
        for row in stores.prompts(members=400, held_out=1)
        if int(row["member_id"][1:]) % 2 or row["split"] == "held_out"
    ]
    store = write(tmp_path / "store", rows)
    events = [f"m{number},t9,play,2026-01-01T00:00:00Z,30" for number in range(0, 400, 4)]
    (tmp_path / "history.csv").write_text("\n".join(["member_id,title_id,event,at,minutes", *events]))

    def parts():
        found = values(store, "policy = 'best' AND slice = 'member' AND estimator = 'dr'")
        return {row["part"]: row["rounds"] for row in found}

    assert run(store) == 0  # without history nobody is known to have none
    assert parts() == {"never shown before": 200, "shown 1 to 9 times": 200}
    assert run(store, "input.history=history.csv", "evaluate.seed=1") == 0
    assert parts() == {
        "new, no history": 100,
        "never shown before": 100,
        "shown 1 to 9 times": 200,
    }


@pytest.mark.slow
def test_rankers_are_called_as_the_job_that_ranked_called_them(tmp_path):
    rows = stores.prompts(members=50)
    store = write(tmp_path / "store", rows, {"llm-aaaaaaaa": stores.liked, "llm-bbbbbbbb": stores.uniform})
    assert run(store) == 0
    assert {"llm aaaaaa", "llm bbbbbb"} < set(by_policy(store))
    counts = {"phases": [{"name": name, "model_key": key} for name, key in (("llm:base", "llm-aaaaaaaa"),)]}
    ran = {"run_id": "r1", "job": "rank", "settings": "{}", "started_at": stores.START, "seconds": 1.0}
    ran |= {"outcome": "done", "message": "", "counts": json.dumps(counts), "computed_at": None}
    store.commit(
        "run",
        "",
        "r1",
        tables.rows("run", {k: [v] for k, v in (stores.ORIGIN | ran).items() if v is not None and k != "computed_at"}),
    )
    assert run(store, "evaluate.seed=1") == 0
    assert {"llm:base", "llm"} < set(by_policy(store))


@pytest.mark.slow
def test_where_a_prompt_leaves_out_a_candidate_the_others_share_its_propensity(tmp_path):
    """As with prompts.missing_description=drop: prompts in which that one was shown are not there."""
    full = [row for row in stores.prompts(members=600, held_out=4) if len(row["artwork_ids"]) == 4]
    cut = []
    for row in full:
        shown = stores.LETTERS.index(row["answer"])
        if shown != 3:
            cut.append(row | {"artwork_ids": row["artwork_ids"][:3], "propensities": row["propensities"][:3]})
    store = write(tmp_path / "store", cut, {"first-1": lambda row: 0, "random-1": stores.uniform})
    assert run(store) == 0
    found = by_policy(store, "ips")
    assert found["random"]["mean_weight"] == pytest.approx(1, abs=0.05)
    assert found["first"]["warnings"] == found["random"]["warnings"] == []


@pytest.mark.slow
@pytest.mark.parametrize("propensity", [None, 0.0, float("nan"), 1.5])
def test_a_propensity_that_is_none_is_refused_whoever_wrote_it(tmp_path, capsys, propensity):
    """The contract of table prompt keeps such rows out; this store was written past it."""
    rows = stores.prompts(members=5)
    store = write(tmp_path / "store", rows)
    (part,) = store.parts("prompt")
    table = pq.read_table(f"{store.path}/{part}")
    values = [propensity if each == 19 else 0.5 for each in range(len(rows))]
    place = table.schema.get_field_index("propensity")
    pq.write_table(table.set_column(place, "propensity", pa.array(values, pa.float64())), f"{store.path}/{part}")
    told = refusal(store, capsys)
    assert "1 of 10 held-out prompts have no propensity above 0 and up to 1, such as " in told
    assert rows[19]["prompt_id"] in told


@pytest.mark.slow
def test_a_store_on_s3_is_evaluated_alike(tmp_path, s3_bucket):
    rows = stores.prompts(members=60)
    here, there = write(tmp_path / "store", rows), write(f"s3://{s3_bucket}/store", rows)
    assert run(here) == run(there) == 0
    said = [[row | {"computed_at": None} for row in values(store)] for store in (here, there)]
    assert said[0] == said[1]
    # The same evaluation has the same name; on a disk it lies in a generation.
    names = [[part.rpartition("/")[2] for part in store.parts("policy_value")] for store in (here, there)]
    assert names[0] == names[1]
