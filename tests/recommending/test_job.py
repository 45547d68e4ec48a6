"""`make recommend` on stores whose truth is known: what it finds, counts and refuses; a killed run goes on."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from featurize.storage import views
from featurize.storage.store import Store
from tests.recommending.worlds import arguments, run, values, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = write(tmp_path_factory.mktemp("recommend") / "world")
    assert run(folder, "recommend.vectors=clip") == 0
    return folder


@pytest.mark.slow
def test_vectors_that_tell_what_is_liked_find_new_titles_and_controls_do_not(judged):
    found = values(judged)
    for model in ("two_towers", "sasrec"):
        real = found["new_titles", "clip", model]
        assert real["ndcg_more_low"] > 0.05, real
        for control in ("shuffled", "random"):
            row = found["new_titles", control, model]
            assert row["ndcg_more_low"] < 0.02, row
            assert row["ndcg"] < real["ndcg_low"]
    row = found["rolling_days", "id", "two_towers"]
    assert row["ndcg_more"] == 0
    assert row["hr_low"] < row["hr"] < row["hr_high"]
    new = found["new_titles", "id", "two_towers"]
    assert new["cases"] == row["cases"]  # each title is new once for each seed
    for each in (row, new):
        assert len(each["ndcg_by_seed"]) == 3
        assert each["ndcg"] == pytest.approx(sum(each["ndcg_by_seed"]) / 3)
    assert found["rolling_days", "none", "popular"]["ndcg"] < row["ndcg_low"]
    assert not (judged / "work").exists()


@pytest.mark.slow
def test_vectors_of_members_titles_and_artworks_are_there_for_who_serves_them(judged):
    with views.connect(Store(str(judged / "store"))) as db:
        keys = dict(
            db.execute(
                """SELECT fingerprint->>'model', model_key FROM model JOIN (SELECT DISTINCT model_key FROM item_vector)
                USING (model_key)"""
            ).fetchall()
        )
        assert set(keys) == {"two_towers", "sasrec"}
        two = {"key": keys["two_towers"]}
        asked = "SELECT kind, count(*) FROM item_vector WHERE model_key = $key GROUP BY kind ORDER BY kind"
        assert db.execute(asked, two).fetchall() == [("artwork", 40), ("title", 40)]
        # A member is the mean of what the plays say; fourteen plays are fewer than are read.
        members = db.execute("SELECT member_id, vector FROM member_vector WHERE model_key = $key", two).fetchall()
        assert len(members) == 120
        played = dict(
            db.execute(
                "SELECT item_id, played FROM item_vector WHERE model_key = $key AND kind = 'title'", two
            ).fetchall()
        )
    with (judged / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    for member, vector in members[:5]:
        mean = np.mean([played[row["title_id"]] for row in history if row["member_id"] == member], axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.slow
def test_the_same_again_writes_nothing_and_tells_the_same(judged, capsys):
    before = values(judged)
    assert run(judged, "recommend.vectors=clip") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "was there already" in told
    assert "two_towers" in told
    assert values(judged) == before


@pytest.mark.slow
def test_a_killed_run_goes_on_and_comes_to_the_same_figures(tmp_path):
    settings = ("recommend.seeds=1", 'recommend.features=["id","clip"]', 'recommend.splits=["rolling_days"]')
    worlds = [write(tmp_path / name, members=60) for name in ("killed", "whole")]
    assert run(worlds[1], *settings) == 0
    command = [sys.executable, "-m", "jobs.recommend", *arguments(worlds[0], *settings)]
    child = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    while not list((worlds[0] / "work").glob("*.npy")) or not list((worlds[0] / "work").glob("*.pt")):
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert values(worlds[0]) == {}
    (lease,) = (worlds[0] / "store").rglob("recommend.json")
    lease.unlink()
    assert run(worlds[0], *settings) == 0
    figures = [
        {key: {name: row[name] for name in ("hr", "ndcg", "ndcg_by_seed")} for key, row in values(world).items()}
        for world in worlds
    ]
    assert figures[0] == figures[1]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write(tmp_path_factory.mktemp("recommend") / "small", titles=8, members=12)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["recommend.days=40"], "recommend.days: the plays are of"),
        (['recommend.features=["clip"]'], "baseline 'id' is not among recommend.features"),
        (['recommend.features=["id","klip"]'], "did you mean clip?"),
        (["recommend.vectors=discription"], "did you mean description?"),
        (['recommend.models=["two_tower"]'], "wanted: list of two_towers or sasrec"),
        (["input.titles=none.csv"], "none.csv"),
        (["store=elsewhere"], "run `make featurize` first"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(world, capsys, settings, sentence):
    assert run(world, *settings) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


@pytest.mark.slow
def test_every_row_of_history_is_counted(tmp_path, capsys):
    folder = write(tmp_path / "world", members=40)
    lines = (folder / "history.csv").read_text().splitlines()
    more = [lines[1], "m000,t000,thumbs_up,2026-01-05T00:00:00Z,", "m000,t999,play,2026-01-05T00:00:00Z,3"]
    more += [",t000,play,2026-01-05T00:00:00Z,3", "m000,t000,play,2999-01-05T00:00:00Z,3", "m000,t000,play,soon,3"]
    (folder / "history.csv").write_text("\n".join([*lines, *more]))
    assert run(folder, flags=["--dry-run"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for reason in ("no play", "unknown_title", "incomplete", "bad_time", "bad_at", "duplicate"):
        assert f"history rows left out: {reason} 1" in told, told
    assert "plays 560," in told
    assert run(folder, "prompts.max_lost.history=0.005") == 2
    assert "prompts.max_lost.history" in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_lost_is_a_share_of_plays_and_titles_without_a_vector_are_told(tmp_path, capsys):
    folder = write(tmp_path / "world", titles=12, members=12)
    history, titles = folder / "history.csv", folder / "titles.csv"
    lines = history.read_text().splitlines()
    titles.write_text(titles.read_text() + "".join(f"new-{number},New,\n" for number in range(3)))
    few = [
        "recommend.seeds=1",
        'recommend.features=["id","clip"]',
        'recommend.models=["two_towers"]',
        "recommend.epochs=1",
    ]
    assert run(folder, *few, "recommend.vectors=null") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "feature clip: 3 of 15 titles have no vector and count as the average title" in told
    assert "new_titles: all of 5 titles are among the first ten: HR@10 says nothing" in told
    assert "members were asked, and intervals are by members: of so few they promise too much" in told
    assert "each among 5 titles" in told
    lost = [line.replace(",t", ",gone-t", 1) if number % 10 else line for number, line in enumerate(lines[1:])]
    listed = [f"m000,t000,list_add,2026-01-0{1 + number % 9}T00:00:00Z," for number in range(3 * len(lines))]
    history.write_text("\n".join([lines[0], *lost, *listed]) + "\n")
    assert run(folder, *few) == 2
    assert re.search(r"\d+ of \d+ plays of input\.history cannot be used \(history rows", capsys.readouterr().err)
