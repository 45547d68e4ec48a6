"""The night: all jobs of a date as one run, whatever happens to it. Real files, processes and leases."""

import json
import time
from datetime import UTC, datetime
from functools import partial

import pytest
from PIL import Image

from featurize.storage.lease import Lease
from featurize.storage.store import Store
from tests.nightly import nights

TABLES = ("artwork", "image_embedding", "prompt", "ranking", "choice", "policy_value", "model")
NOT_LOGGED = {"input__impressions": None, "rank__rankers": '["random"]'}


def found(folder):
    """The rows of all tables, less what differs from run to run."""
    own = "* EXCLUDE (run_id, code_version{})"
    when = {"artwork": ", seen_at", "prompt": ", computed_at, asked_at", "choice": ", computed_at, valid_from"}
    return {table: nights.rows(folder, table, own.format(when.get(table, ", computed_at"))) for table in TABLES}


@pytest.mark.slow
def test_a_killed_night_is_told_of_and_the_next_one_takes_over(tmp_path, capsys):
    nights.world(tmp_path)
    slow = {"embed": '{backend = "fake", seconds = 0.2}'}
    night = nights.start(tmp_path, "--run-id", "killed", **NOT_LOGGED, **slow)
    while not list(tmp_path.glob("store/image_embedding/**/*.parquet")):
        assert night.poll() is None, night.communicate()
        time.sleep(0.05)
    began = nights.ask(tmp_path, "SELECT outcome, counts['image_embedding'] FROM runs")
    assert nights.run(tmp_path, **NOT_LOGGED) == 3
    told = capsys.readouterr().err
    assert f"run killed (process {night.pid} on " in told
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:")
    assert f"is working on {tmp_path}/store since {since}" in told
    assert nights.run(tmp_path, run__when_held="skip", **NOT_LOGGED) == 0
    told = capsys.readouterr().out
    assert told.startswith("note: run killed (process")
    assert told.endswith("so nothing was done (run.when_held=skip)\n")
    night.kill()
    night.communicate()
    assert began[0][0] == "started"
    assert began[0][1] > 0
    for lease in tmp_path.glob("store/_lease/*.json"):
        holder = json.loads(lease.read_text())
        lease.write_text(json.dumps(holder | {"renewed": holder["renewed"] - 120}))  # as it will be two minutes on
    ((outcome, done, last_seen, in_time),) = nights.ask(
        tmp_path, "SELECT outcome, done, last_seen, last_seen < now() FROM runs"
    )
    committed = {table: len(nights.rows(tmp_path, table)) for table in ("artwork", "image_embedding")}
    assert (outcome, done, in_time) == ("killed", sum(committed.values()), True)
    assert last_seen > datetime.fromtimestamp(holder["since"], UTC)

    assert nights.run(tmp_path, "--run-id", "next", **NOT_LOGGED) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "note: took over from run killed (process" in told
    assert nights.ask(tmp_path, "SELECT run_id, outcome, done FROM runs") == [
        ("killed", "killed", done),
        ("next", "done", 54 - committed["image_embedding"] + 54 + 20 + 20),  # embedded, compared, asked, ranked
    ]
    assert len(nights.rows(tmp_path, "image_embedding")) == 54
    assert len(nights.rows(tmp_path, "choice")) == 20
    assert not list(tmp_path.glob("store/_lease/*"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"nightly__date": "2999-01-01"}, "nightly.date (DATE=): 2999-01-01 has not begun; it is 20"),
        ({"nightly__date": "yesterday"}, "nightly.date: a date is wanted, such as 2026-01-31"),
        ({"prompts__at": "2026-01-01T00:00:00Z"}, "prompts.at: a night is for a date, nightly.date (DATE=)"),
        (
            {"input__titles": None, "input__history": None, "input__impressions": None},
            "input.titles (TITLES=) and input.history (HISTORY=) are not set",
        ),
        ({"input__history": None}, "input.history (HISTORY=) is not set: a night is of members too"),
        (
            dict.fromkeys(("input__titles", "input__history", "input__impressions", "input__artwork")),
            "input.titles (TITLES=) and input.history (HISTORY=) are not set",
        ),
    ],
)
def test_what_a_night_cannot_be_of_is_refused_before_anything_is_made(tmp_path, capsys, changes, told):
    assert nights.run(tmp_path, **changes) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_a_job_of_the_night_does_not_run_beside_it(tmp_path, capsys):
    (tmp_path / "store").mkdir()
    with Lease(Store(str(tmp_path / "store")), "rank", "by-hand"):
        assert nights.run(tmp_path) == 3
    assert "run by-hand (process" in capsys.readouterr().err
    assert not list(tmp_path.glob("store/_lease/*"))
    assert not (tmp_path / "store/run").exists()


@pytest.mark.slow
def test_a_night_is_one_run_the_same_date_does_nothing_and_a_missed_one_is_caught_up(tmp_path, capsys):
    made = nights.world(tmp_path)
    logged, made.impression = made.impression, made.impression[:60]
    nights.write(tmp_path, made)
    assert nights.run(tmp_path, "--run-id", "first", nightly__date="2026-11-20") == 0
    first = found(tmp_path)
    assert all(first.values())
    assert len(nights.rows(tmp_path, "choice")) == 20
    assert nights.run(tmp_path, "--run-id", "again", nightly__date="2026-11-20") == 0
    assert found(tmp_path) == first
    assert len(list(tmp_path.glob("store/run/**/*.parquet"))) == 4  # two runs, and that each of them started

    # The 21st is missed. Meanwhile more was logged, and a picture replaced.
    made.impression = logged
    nights.write(tmp_path, made)
    Image.new("RGB", (9, 9), "red").save(tmp_path / "artwork" / f"{made.artwork[0]['artwork_id']}.png")
    assert nights.run(tmp_path, "--run-id", "third", nightly__date="2026-11-22") == 0
    ask = partial(nights.ask, tmp_path)
    assert ask("SELECT count(*), count(DISTINCT impression_id) FROM prompt WHERE kind = 'logged'") == [(80, 80)]
    assert ask("SELECT count(*) FROM image_embedding") == [(55,)]
    assert ask("SELECT valid_from::DATE::VARCHAR, count(*) FROM choice GROUP BY 1 ORDER BY 1") == [
        ("2026-11-20", 20),
        ("2026-11-22", 20),
    ]
    third = found(tmp_path)
    # Late, with a ranker that has learnt more since: it chooses anew for that date, which is not the last one.
    assert nights.run(tmp_path, "--run-id", "late", nightly__date="2026-11-20") == 0
    assert {table: found(tmp_path)[table] for table in ("prompt", "image_embedding")} == {
        table: third[table] for table in ("prompt", "image_embedding")
    }
    assert ask("SELECT DISTINCT valid_from::DATE::VARCHAR FROM current_choice") == [("2026-11-22",)]

    runs = ask("SELECT run_id, job, outcome, to_do > 0, counts['rank_nightly.choices'] FROM runs")
    assert runs == [
        ("first", "nightly", "done", True, 20),
        ("again", "nightly", "done", False, 0),
        ("third", "nightly", "done", True, 20),
        ("late", "nightly", "done", True, 20),
    ]
    assert {job for (job,) in ask("SELECT DISTINCT job FROM run_phase")} == {"featurize", "prompts", "rank"}
    assert len(ask("FROM run_phase WHERE run_id = 'first' AND job = 'rank'")) == 6
    spent = "read_s > 0, model_s > 0, write_s > 0, worker_s['cpu'] >= seconds - 1, bytes_read > 0, bytes_written > 0"
    assert ask(f"SELECT {spent} FROM runs WHERE run_id = 'first'") == [(True,) * 6]
    by_job = (
        "SELECT job, sum(model_s) >= 0, sum(write_s) > 0 FROM run_phase WHERE run_id = 'first' GROUP BY 1 ORDER BY 1"
    )
    assert ask(by_job) == [(job, True, True) for job in ("featurize", "prompts", "rank")]

    # A manifest that lost half of its rows, and a night that had no time.
    capsys.readouterr()
    made.artwork = made.artwork[::2]
    nights.write(tmp_path, made)
    assert nights.run(tmp_path, "--run-id", "halved") == 2
    told = capsys.readouterr().err
    assert "no longer lists 27 of the 54 artworks it had" in told
    assert "more than input.max_removed = 0.2 allows" in told
    assert ask("SELECT outcome FROM runs WHERE run_id = 'halved'") == [("refused",)]
    assert nights.run(tmp_path, run__deadline="0s", input__max_removed=1) == 0
    assert "note: evaluate was left for the next run, for run.deadline = 0s has passed" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.slow
def test_a_dry_run_says_what_there_is_to_do_and_writes_nothing(tmp_path, capsys):
    nights.world(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert nights.run(tmp_path, "--dry-run") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "embed 54 0" in told
    assert "note: rank_nightly was left out: table prompt is empty" in told
    assert sorted(tmp_path.rglob("*")) == before
