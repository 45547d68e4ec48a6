"""The rank job: every ranker's rows on the prompts that it is for, once."""

import json
import math
import shutil
from collections import defaultdict
from pathlib import Path

import duckdb
import pytest

from featurize import config
from featurize.ranking.data import open_data
from featurize.storage.store import Store
from tests.rankers import tiny_lms
from tests.ranking import stores


@pytest.fixture(scope="module")
def prompted(tmp_path_factory):
    return stores.with_prompts(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [str(tiny_lms.save(folder / name, seed=seed)) for seed, name in enumerate(("base", "trained"))]


def listed(models):
    return str(models).replace("'", '"')


def test_each_ranker_ranks_the_held_out_prompts_once(prompted, models, tmp_path, capsys):
    store = stores.copied(prompted, tmp_path)
    names = '["random", "logged", "logged_greedy", "llm"]'
    assert stores.run(store, rank__rankers=names, rank__models=listed(models), rank__split="held_out") == 0
    out = capsys.readouterr().out
    held_out = {row["prompt_id"]: row for row in stores.rows(store, "FROM prompt WHERE split = 'held_out'")}
    assert 0 < len(held_out) < len(stores.rows(store, "FROM prompt"))
    found = defaultdict(lambda: defaultdict(list))
    for row in stores.rows(store):
        found[row["model_key"]][row["prompt_id"]].append(row)
    kinds = [key.rpartition("-")[0] for key in found]
    assert sorted(kinds) == ["llm", "llm", "logged", "logged_greedy", "random"]
    unsure = {key for key, row in held_out.items() if row["propensities"] is None}
    assert unsure
    left_out = f"logged_greedy: leaves out {len(unsure)} prompts, as it can only rank where propensities IS NOT NULL"
    assert left_out in " ".join(out.split())
    for key, prompts in found.items():
        assert prompts.keys() == held_out.keys() - (unsure if key.startswith("logged_greedy") else set())
        for prompt_id, rows in prompts.items():
            prompt = held_out[prompt_id]
            assert sorted(row["artwork_id"] for row in rows) == sorted(prompt["artwork_ids"])
            assert sorted(row["rank"] for row in rows) == list(range(1, len(rows) + 1))
            assert math.isclose(sum(row["probability"] for row in rows), 1, abs_tol=1e-9)
            assert math.isclose(sum(row["propensity"] for row in rows), 1, abs_tol=1e-9)
            ordered = [row["score"] for row in sorted(rows, key=lambda row: row["rank"])]
            assert ordered == sorted(ordered, reverse=True)
            assert all(row["letter_share"] is None for row in rows) == (not key.startswith("llm"))
            if key.startswith("llm"):
                assert [row["propensity"] for row in sorted(rows, key=lambda row: row["rank"])] == [
                    1,
                    *[0] * (len(rows) - 1),
                ]
                assert 0 < rows[0]["letter_share"] <= 1
                assert math.isclose(sum(math.exp(row["score"]) for row in rows), rows[0]["letter_share"], rel_tol=1e-9)
            if key.startswith("logged-"):
                shown = prompt["artwork_ids"]["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(prompt["answer"])]
                (one,) = [row for row in rows if row["artwork_id"] == shown]
                assert math.isclose(one["propensity"], prompt["propensity"], abs_tol=1e-9)
    with duckdb.connect(f"{store}/catalog.duckdb", read_only=True) as db:
        query = "SELECT count(*), count(caption), count(DISTINCT ranker) FROM ranked"
        rows = sum(len(each) for prompts in found.values() for each in prompts.values())
        assert db.execute(query).fetchall() == [(rows, rows, 4)]


@pytest.mark.slow
def test_a_rerun_does_what_is_new(prompted, models, tmp_path, capsys):
    store = stores.copied(prompted, tmp_path)
    given = {"rank__rankers": '["random"]'}
    assert stores.run(store, "--dry-run", **given) == 0
    assert not (store / "ranking").exists()
    assert stores.run(store, **given) == 0
    first = stores.rows(store)
    assert stores.run(store, rank__split="all", **given) == 0
    everything = stores.rows(store)
    assert [row for row in everything if row in first] == first
    assert {row["prompt_id"] for row in everything} == {row["prompt_id"] for row in stores.rows(store, "FROM prompt")}
    assert stores.run(store, rank__split="all", **given) == 0
    assert stores.rows(store) == everything


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rank__rankers": '["rondom"]'}, "ranker 'rondom' is unknown; there are: "),
        ({"rank__rankers": "[]"}, "rank.rankers names no ranker"),
        ({"rank__models": '["/nowhere"]'}, "model '/nowhere' is neither a folder nor a hub id"),
        ({"rank__explore": "sometimes"}, "rank.explore: none, epsilon:<share from 0 to 1> or softmax:<temperature"),
        ({"prompts__kind": "nightly"}, "has no nightly prompts: run `make prompts SET=prompts.kind=nightly` first"),
        ({}, "has no prompts: run `make prompts` first"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_a_sentence(prompted, tmp_path, capsys, changes, says):
    assert stores.run(prompted if changes else tmp_path / "none", **changes) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert says in said
    assert not (prompted / "ranking").exists()


@pytest.mark.slow
def test_the_prior_is_estimated_once_and_makes_a_key_of_its_own(prompted, tmp_path, capsys):
    store = stores.copied(prompted, tmp_path)
    model = tiny_lms.save(tmp_path / "leans", "phi", leaning={"A": 30})
    given = {"rank__rankers": '["llm"]', "rank__models": f'["{model}"]', "rank__min_letter_share": 0.9}
    assert stores.run(store, **given) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "llm:leans: picked A 100% (" in out
    assert "it leans on letters; its letters have 100% of the probability" in out
    assert stores.run(store, rank__split="train", **given) == 0
    ((count, expected),) = (
        row.values()
        for row in stores.rows(
            store, "SELECT count(*) AS n, sum(1 / len(artwork_ids)) AS e FROM prompt WHERE split = 'train'"
        )
    )
    chi_squared = (count - expected) ** 2 / expected + count - expected
    told = " ".join(capsys.readouterr().out.split())
    assert f"picked A 100% ({expected / count:.0%})" in told
    assert f"chi-squared {chi_squared:.0f}, it leans" in told, "of the prompts asked for, not of all that are there"
    for _ in range(2):  # the second time it is there
        assert stores.run(store, rank__prior="pride", **given) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "no more than chance" in out
    models = stores.rows(store, "SELECT fingerprint->>'$.ranker.prior' AS prior FROM model WHERE backend = 'llm'")
    priors = [row["prior"] for row in models if row["prior"] not in (None, "null")]
    assert len(models) == 2
    assert len(priors) == 1
    picked = """SELECT model_key, count(DISTINCT list_position(artwork_ids, artwork_id)) AS letters
        FROM ranking JOIN prompt USING (prompt_id) WHERE rank = 1 GROUP BY ranking.model_key ORDER BY letters"""
    used = [row["letters"] for row in stores.rows(store, picked.replace("model_key,", "ranking.model_key,"))]
    assert used[0] == 1
    assert used[1] > 2


@pytest.mark.slow
def test_more_orders_take_a_leaning_out_as_well(prompted, tmp_path, capsys):
    store = stores.copied(prompted, tmp_path)
    model = tiny_lms.save(tmp_path / "leans", "phi", leaning={"A": 30})
    given = {"rank__rankers": '["llm"]', "rank__models": f'["{model}"]', "rank__orders": 52}
    assert stores.run(store, **given) == 0
    assert "no more than chance" in " ".join(capsys.readouterr().out.split())


def test_without_models_it_is_what_posttrain_began_with_and_made(prompted, models, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(Path(models[0]).parent)
    base, trained = (Path(model).name for model in models)
    given = {"rank__rankers": '["llm"]', "posttrain__base": base, "rank__split": "held_out"}
    for output, names in (("not-yet", {f"llm:{base}"}), (trained, {f"llm:{base}", f"llm:{trained}"})):
        assert stores.run(prompted, "--dry-run", posttrain__output=output, **given) == 0
        said = capsys.readouterr().out
        assert {word for word in said.split() if word.startswith("llm:")} == names


def test_a_model_that_learnt_from_other_pages_is_told_of(prompted, models, tmp_path, capsys):
    model = shutil.copytree(models[0], tmp_path / "learnt")
    given = {"rank__rankers": '["llm"]', "rank__models": f'["{model}"]', "rank__split": "held_out"}
    (own,) = stores.rows(prompted, f"SELECT DISTINCT template_key AS key FROM '{prompted}/prompt/**/*.parquet'")
    for key, told in ((own["key"], False), ("template-other", True)):
        (model / "posttrain.json").write_text(json.dumps({"template_key": key}))
        assert stores.run(prompted, "--dry-run", **given) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert (f"llm:learnt was post-trained on prompts of {key}, and these are of {own['key']}" in said) == told


def test_a_record_that_cannot_be_read_is_named(prompted, models, tmp_path, capsys):
    model = shutil.copytree(models[0], tmp_path / "learnt")
    for text in ("{half", "[]"):
        (model / "posttrain.json").write_text(text)
        assert stores.run(prompted, rank__rankers='["llm"]', rank__models=f'["{model}"]') == 2
        assert "learnt/posttrain.json is n" in " ".join(capsys.readouterr().err.split())


def test_too_little_memory_and_a_history_of_others_are_told(prompted, tmp_path, capsys):
    (tmp_path / "history.csv").write_text("member_id,title_id,event,at\nsomebody,t1,play,2020-01-01T00:00:00Z\n")
    given = {"rank__rankers": '["linucb"]', "input__history": tmp_path / "history.csv"}
    assert stores.run(prompted, "--dry-run", **given) == 0
    assert "history.csv says of 0 of the" in " ".join(capsys.readouterr().out.split())
    assert stores.run(prompted, prompts__memory="100KB", **given) == 1
    assert "error: DuckDB needs more memory than it may take" in capsys.readouterr().err


def test_the_demo_worlds_history_is_for_its_own_store_alone(prompted, tmp_path, monkeypatch):
    """It lies in the folder and knows the same ids; who made prompts of tables of their own is not of that world."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo/small").mkdir(parents=True)
    shutil.copy(prompted.parent / "history.parquet", tmp_path / "demo/small/history.parquet")
    recipe = next((prompted / "prompt").iterdir()).name
    settings = config.load("local")
    for store, known in ((prompted, 0), (stores.copied(prompted, tmp_path), 1)):
        if known:
            for table in ("run", "artwork"):  # nothing says whose its prompts are, and no files are given
                shutil.rmtree(store / table)
        (tmp_path / f"scratch{known}").mkdir()
        with open_data(Store(str(store)), settings, recipe, tmp_path / f"scratch{known}") as db:
            assert db.execute("SELECT count(*) > 0 FROM history").fetchall() == [(bool(known),)]
