"""Every row that comes in is counted with an example, and a run that loses too much of it ends without a commit."""

import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurize.storage import current, tables
from featurize.storage.store import Store

from . import worlds

FUTURE = datetime.now(UTC) + timedelta(days=2)


def refused(capsys, folder, **settings):
    """The sentence of a run that is refused; nothing of it is committed, and no recipe is recorded."""
    before = {name: sorted((folder / "store" / name).rglob("*.parquet")) for name in ("prompt", "label", "model")}
    capsys.readouterr()
    assert worlds.run(folder, **settings) == 2
    assert {name: sorted((folder / "store" / name).rglob("*.parquet")) for name in before} == before
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("error: ")
    return sentence


def test_every_row_of_history_is_used_or_not_needed_or_has_a_reason_with_an_example(tmp_path, capsys):
    world = worlds.plain(impressions=10, members=5)
    at = worlds.START - timedelta(days=1)
    world.history += [
        *(worlds.event("m0", "t1", at, "rewind") for _ in range(2)),
        worlds.event("m0", "t9", at),
        worlds.event("m0", "t1", FUTURE),
        worlds.event("m0", "t1", worlds.LATER),
        worlds.event("nobody", "t1", at),
        worlds.event("m0", None, at),
        worlds.event("m0", "t1", at, minutes=-1.0),
        worlds.event("m1", "t1", at, "THUMBS_UP"),
    ]
    world.write(tmp_path)
    for flags in ((), ("--dry-run",)):
        capsys.readouterr()
        assert worlds.run(tmp_path, *flags) == 0
        told = capsys.readouterr().out
        assert "'rewind' 2" in told
        assert "such as" in told
    counted = worlds.counts(tmp_path)
    assert {name: rows for name, rows in counted.items() if name.startswith("history")} == {
        "history rows used": 7,
        "history rows not needed": 2,
        "history rows left out: bad_time": 1,
        "history rows left out: incomplete": 1,
        "history rows left out: unknown_event 'rewind'": 2,
        "history rows left out: unknown_title": 1,
        "history minutes left out": 1,
    }
    assert "'t9'" in counted["examples"]["history rows left out: unknown_title"]
    with worlds.duckdb.connect(f"{tmp_path}/store/catalog.duckdb", read_only=True) as db:
        assert db.sql("SELECT counts['history rows used'] FROM runs").fetchall() == [(7,)]


@pytest.mark.parametrize(
    ("settings", "change", "told"),
    [
        pytest.param(
            {},
            {"propensity": 2.0},
            "10 of 20 impressions become no prompt: bad_propensity (such as impression 'i1'",
            marks=pytest.mark.slow,
        ),
        pytest.param({}, {"title_id": "t9"}, "prompts.max_lost.unknown_title (it is 0.2)", marks=pytest.mark.slow),
        ({}, {"candidates": ["t1-0", "t1-1", "t9"]}, "candidate 't9'"),
        ({"prompts__max_lost__other": 0.4}, {"reward": -1.0}, "prompts.max_lost.other (it is 0.4)"),
    ],
)
def test_too_many_impressions_lost_for_a_reason_end_the_run(tmp_path, capsys, settings, change, told):
    world = worlds.plain(impressions=20)
    for row in world.impression[1::2]:
        row |= {"artwork_id": "t1-0", "title_id": "t1", "candidates": ["t1-0", "t1-1"]} | change
    world.write(tmp_path)
    assert told in refused(capsys, tmp_path, **settings)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS) == 0


@pytest.mark.slow
def test_too_few_members_with_history_or_too_few_descriptions_end_the_run(tmp_path, capsys):
    world = worlds.plain(impressions=20)
    world.history = []
    world.description = world.description[:2]
    world.write(tmp_path)
    sentence = refused(capsys, tmp_path)
    assert "of 5 members asked about, 0 have history from before" in sentence
    assert "model words-1 has described 2 of 12 candidates' pictures" in sentence
    assert "prompts.min_described" in sentence
    assert worlds.run(tmp_path, **worlds.ANY_LOSS) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda world: [row.update(title_id="9" + row["title_id"]) for row in world.impression], "'9t0', '9t1', '9t2'"),
        (
            lambda world: [row.update(title_id="9" + row["title_id"]) for row in world.history],
            "title ids of input.history",
        ),
        (
            lambda world: [row.update(member_id=f"{row['member_id']}.0") for row in world.history],
            "'m0.0', 'm1.0', 'm2.0'",
        ),
        (lambda world: [row.update(artwork_id="x" + row["artwork_id"]) for row in world.artwork], "'xt0-0', 'xt0-1'"),
        (lambda world: [row.update(title_id="x" + row["title_id"]) for row in world.artwork], "'xt0', 'xt1', 'xt2'"),
    ],
)
def test_inputs_that_share_no_id_are_refused_with_three_of_either(tmp_path, capsys, change, told):
    world = worlds.plain(impressions=20)
    change(world)
    world.write(tmp_path)
    sentence = refused(capsys, tmp_path)
    assert told in sentence
    assert "there;" in sentence


def test_a_candidate_that_was_not_on_offer_makes_no_prompt_unless_it_is_shown_as_not_described(tmp_path):
    world = worlds.plain(impressions=12)
    world.impression[1]["candidates"] = ["t1-0", "t1-1", "gone"]
    world.impression[2] |= {"artwork_id": "gone", "candidates": ["gone", "t2-0"]}
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    counted = worlds.counts(tmp_path)
    assert counted["no prompt: unknown_candidate"] == 2
    assert counted["examples"]["no prompt: unknown_candidate"] == (
        "impression 'i1', title 't1', candidate 'gone'; most often it is 'gone', in 2"
    )
    assert worlds.run(tmp_path, prompts__unknown_candidate="placeholder") == 0
    shown = {row["impression_id"]: row for row in worlds.rows(tmp_path) if "(not described)" in row["prompt"]}
    assert sorted(shown) == ["i1", "i2"]
    assert sorted(shown["i1"]["artwork_ids"]) == ["gone", "t1-0", "t1-1"]
    assert shown["i2"]["artwork_ids"]["AB".index(shown["i2"]["answer"])] == "gone"


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_store_that_does_not_exist_is_not_created(tmp_path, capsys, flags, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert worlds.run(tmp_path, *flags, input__titles=None, input__history=None, input__impressions=None) == 2
    assert "run `make featurize` first" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "setting",
    [
        "memory=0MB",
        "memory=0.0GB",
        "memory=999999999999999999999999TB",
        "at=20260131",
        "at=0001-01-01T00:00:00+14:00",
        "at=9999-12-31T23:59:59-12:00",
        "as_of=5",
        "held_out_from=9999-12-31T23:59:59-12:00",
        "active_days=2000000000",
        "active_days=0",
        "seed=9223372036854775808",
        "held_out=99999999999999999999",
        "held_out=-1",
        "descriptions=../artwork",
        "template=/",
        "tokenizer=/nowhere",
        "max_lost.history=2",
        "max_lost.nothing=0",
        "min_described=-1",
        "min_with_history=nan",
        "unknown_candidate=maybe",
    ],
)
def test_a_setting_out_of_range_is_one_sentence(tmp_path, capsys, setting):
    name, _, value = setting.partition("=")
    worlds.plain(impressions=2).write(tmp_path)
    assert name.split(".")[0] in refused(capsys, tmp_path, **{f"prompts__{name.replace('.', '__')}": value})


def test_the_last_moment_there_is_can_be_asked_about(tmp_path):
    world = worlds.plain(impressions=2)
    world.write(tmp_path)
    nightly = {"prompts__kind": "nightly", "prompts__active_days": 36500, "prompts__rank": '["t0"]'}
    assert worlds.run(tmp_path, **nightly, prompts__at="9999-12-31T00:00:00Z", input__impressions=None) in (0, 2)


def test_folders_of_killed_runs_are_removed_by_the_next_and_those_of_living_ones_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    program = """
import time
from featurize.prompting.scratch import Folder
folder = Folder()
print(folder.path, flush=True)
time.sleep(99)
"""
    alive, killed = (
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    try:
        paths = [Path(process.stdout.readline().strip()) for process in (alive, killed)]
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert all(path.is_dir() for path in paths)
        (tmp_path / "world").mkdir()
        worlds.plain(impressions=2).write(tmp_path / "world")
        assert worlds.run(tmp_path / "world") == 0
        assert [path.is_dir() for path in paths] == [True, False]
        assert sorted(tmp_path.glob("*prompts-*")) == [paths[0]]
    finally:
        for process in (alive, killed):
            process.kill()
            process.wait()


def test_runs_that_begin_together_take_no_folder_from_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    program = """
from featurize.prompting.scratch import Folder
for _ in range(300):
    folder = Folder()
    assert folder.path.is_dir()
    folder.remove()
"""
    runs = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [run.communicate()[1] for run in runs] == [""] * 4
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_pin_counts_in_the_run_that_says_it_and_a_refused_run_leaves_none(tmp_path, capsys):
    world = worlds.plain(impressions=10)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    rows = [worlds.described(row["artwork_id"], "words-2", caption="Other words.") for row in world.artwork]
    store = Store(str(tmp_path / "store"))
    for part, some in (("1" * 32, rows[:2]), ("2" * 32, rows[2:])):
        columns = {key: [row[key] for row in some] for key in some[0]}
        store.commit("description", "words-2", part, tables.rows("description", columns))
        declared = sorted((tmp_path / "store" / "production").rglob("*.parquet"))
        if part.startswith("1"):  # too little is described
            assert "model words-2 has described 2 of" in refused(capsys, tmp_path, pin__describe="words-2")
            assert sorted((tmp_path / "store" / "production").rglob("*.parquet")) == declared
    assert worlds.run(tmp_path, pin__describe="words-2") == 0
    assert {row["model_key"] for row in worlds.rows(tmp_path)} == {"words-1", "words-2"}
    assert current.models(store)["description"] == current.Choice("words-2", current.PIN)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"member_id": None},
        {"member_id": ""},
        {"title_id": None},
        {"title_id": ""},
        {"title_id": "t9"},
        {"event": None},
        {"event": ""},
        {"event": "rewind", "fault": "unknown_event"},
        {"at": None},
        {"at": None, "fault": "bad_at"},
        {"at": FUTURE},
        {"minutes": -0.5},
        {"minutes": 1e6},
        {"minutes": float("nan")},
        {"minutes": None},
        {"minutes": None, "fault": "bad_minutes"},
    ],
)
def test_history_is_looked_at_row_by_row_if_any_row_is_lost(change):
    row = {**worlds.event("m0", "t1", worlds.START), "fault": None, "fault_example": None} | change
    row |= {"fault": "unknown_event"} if row["event"] == "" else {}  # as the reader has it
    with tables.connect() as db:
        db.execute(tables.sql("prompting", "macros"))
        columns = 'member_id VARCHAR, title_id VARCHAR, event VARCHAR, "at" TIMESTAMPTZ, minutes DOUBLE'
        db.execute(f"CREATE TABLE history ({columns}, fault VARCHAR, fault_example VARCHAR)")
        db.execute("CREATE TABLE title AS SELECT 1 AS title_no, 't1' AS title_id")
        db.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", list(row.values()))
        now = {"now": datetime.now(UTC)}
        lost = db.execute(tables.sql("prompting", "lost_history"), {**now, "members": True}).fetchall()
        ((any_lost,),) = db.execute(tables.sql("prompting", "any_lost_history"), now).fetchall()
    assert any_lost == bool(lost)
    assert any_lost or change in ({}, {"minutes": None})
