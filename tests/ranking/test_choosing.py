"""Nightly prompts become choices: one row per member and title and night, drawn the same way again and again."""

import hashlib
import math
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from featurize.ranking import choosing
from tests.cases import fast_first
from tests.prompting import worlds
from tests.rankers import tiny_lms
from tests.ranking import stores


@pytest.fixture(scope="module")
def nightly(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nights")
    pairs = [{"member_id": f"m{m}", "title_id": f"t{t}"} for m in range(20) for t in range(3)]
    world = worlds.plain(impressions=20, candidates=4, members=20)
    world.pair = pairs
    world.write(folder)
    given = {"prompts__kind": "nightly", "input__pairs": folder / "pair.parquet", **worlds.ANY_LOSS}
    for night in ("2026-11-02", "2026-11-03"):
        assert worlds.run(folder, prompts__at=f"{night}T03:00:00Z", **given) == 0
    return folder / "store"


def run(store, *flags, **changes):
    given = {"prompts__kind": "nightly", "rank__rankers": '["random"]', **changes}
    return stores.run(store, *flags, **given)


@pytest.mark.parametrize("few", fast_first([10, 1000], 1))
def test_each_pair_and_night_has_one_row_where_its_member_belongs(nightly, tmp_path, capsys, monkeypatch, few):
    monkeypatch.setattr(choosing, "FEW", few)
    store = stores.copied(nightly, tmp_path)
    assert run(store, "--dry-run") == 0
    assert not (store / "choice").exists()
    assert run(store) == 0
    assert "choices 120" in capsys.readouterr().out.replace("\u00a0", " ")
    rows = stores.rows(store, "FROM choice ORDER BY ALL")
    ranked = defaultdict(dict)
    for row in stores.rows(store):
        ranked[row["prompt_id"]][row["rank"]] = row
    prompts = {row["prompt_id"]: row for row in stores.rows(store, "FROM prompt")}
    assert sorted(row["prompt_id"] for row in rows) == sorted(prompts)
    for row in rows:
        prompt, by_rank = prompts[row["prompt_id"]], ranked[row["prompt_id"]]
        assert [row[name] for name in ("member_id", "title_id")] == [prompt["member_id"], prompt["title_id"]]
        assert (row["valid_from"], row["model_key"]) == (prompt["asked_at"], by_rank[1]["model_key"])
        others = [each["artwork_id"] for _, each in sorted(by_rank.items()) if each["artwork_id"] != row["artwork_id"]]
        assert row["runner_up"] == others[0]
    parts = list(Path(store, "choice").rglob("*.parquet"))
    assert (len(parts) == 1) == (few > len(rows))
    for part in parts:
        members = pq.read_table(part, columns=["member_id", "title_id"]).to_pylist()
        keys = [tuple(each.values()) for each in members]
        assert keys == sorted(keys)
        buckets = {hashlib.md5(member.encode()).hexdigest()[0] for member, _ in keys}
        assert {part.parents[1].name} == ({"all"} if few > len(rows) else buckets)
    with duckdb.connect(f"{store}/catalog.duckdb", read_only=True) as db:
        found = db.execute("SELECT count(*), min(valid_from)::DATE::VARCHAR FROM current_choice").fetchall()
        assert found == [(60, "2026-11-03")]
    assert run(store) == 0
    assert stores.rows(store, "FROM choice ORDER BY ALL") == rows


@pytest.mark.slow
def test_exploring_says_how_likely_each_was_and_draws_alike(nightly, tmp_path):
    store = stores.copied(nightly, tmp_path)
    given = {"rank__rankers": '["llm"]', "rank__models": f'["{tiny_lms.save(tmp_path / "model")}"]'}
    found = []
    for seed in (0, 0, 1):  # the rankings stay, and the choices are drawn from them anew
        assert run(store, rank__seed=seed, rank__min_letter_share=0, rank__explore="epsilon:0.4", **given) == 0
        columns = "prompt_id, artwork_id, runner_up, margin, propensity, artwork_ids, propensities"
        found.append(stores.rows(store, f"SELECT {columns} FROM choice ORDER BY ALL"))
        shutil.rmtree(store / "choice")
    assert found[0] == found[1] != found[2]
    places = Counter(row["artwork_ids"].index(row["artwork_id"]) for row in found[0])
    assert 0.7 * 120 - 25 < places[0] < 0.7 * 120 + 25  # five standard deviations
    assert all(0 < places[place] < 40 for place in (1, 2, 3))
    for row in found[0]:
        assert row["propensities"] == pytest.approx([0.7, 0.1, 0.1, 0.1])
        assert row["propensity"] == row["propensities"][row["artwork_ids"].index(row["artwork_id"])]
        assert (row["margin"] >= 0) == (row["artwork_id"] == row["artwork_ids"][0])
        assert row["runner_up"] == row["artwork_ids"][row["artwork_id"] == row["artwork_ids"][0]]
    rows = stores.rows(store)
    assert math.isclose(sum(row["propensity"] for row in rows), 120, abs_tol=1e-6)
    assert {round(row["propensity"], 9) for row in rows if row["rank"] == 1} == {0.7}
    assert {round(row["propensity"], 9) for row in rows if row["rank"] > 1} == {0.1}


@pytest.mark.slow
def test_what_does_not_answer_chooses_nothing(nightly, tmp_path, capsys):
    store = stores.copied(nightly, tmp_path)
    model = tiny_lms.save(tmp_path / "model")
    assert run(store, rank__rankers='["llm"]', rank__models=f'["{model}"]') == 1
    *shards, said = capsys.readouterr().err.splitlines()
    assert all(" phase=llm:model " in line for line in shards)
    assert "llm:model does not answer the question: its letters have " in said
    assert stores.rows(store)  # the rankings stay
    assert not (store / "choice").exists()
