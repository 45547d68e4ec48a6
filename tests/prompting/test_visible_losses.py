"""History that comes twice counts once, and what a run loses is told with what helps against that."""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cases import fast_first

from . import slow, worlds
from .test_accounting import refused

BEFORE = worlds.START - timedelta(days=1)


def doubled():
    """A world with plays that are told once more, with other minutes or none, and the same again in other words."""
    world = worlds.plain(impressions=10)
    world.history += [worlds.event(f"m{n}", "t1", BEFORE, minutes=20.0 + n) for n in range(5)]
    again = [world.history[0], world.history[5] | {"minutes": None}, world.history[6] | {"minutes": 99.0}]
    world.history += [*again, again[2] | {"event": "PLAY", "minutes": -1.0}]
    return world


def texts(folder):
    return {row["impression_id"]: row["prompt"] for row in worlds.rows(folder)}


@pytest.mark.parametrize("order", [1, -1])
def test_rows_of_history_with_one_key_count_once_whatever_their_order(tmp_path, order):
    world = doubled()
    expected, _ = slow.logged(world)
    world.history = world.history[::order]
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert texts(tmp_path) == {key: row["prompt"] for key, row in expected.items()}
    prompt = texts(tmp_path)["i6"]
    assert prompt.count("watched 99 min") == 1
    assert prompt.count("watched") == 1
    assert "watched 20 min" in texts(tmp_path)["i5"]
    counted = worlds.counts(tmp_path)
    assert counted["history rows left out: duplicate"] == 4
    assert (counted["history rows used"], counted["history rows not needed"]) == (10, 0)
    told = counted["examples"]["history rows left out: duplicate"]
    assert told == "member 'm0', title 't1', event play, at 2025-02-28 00:00:00+00"


@pytest.mark.slow
def test_a_file_given_twice_makes_the_same_prompts(tmp_path):
    made = {}
    for name, times in (("once", 1), ("twice", 2)):
        (tmp_path / name).mkdir()
        world = worlds.demo(200)
        rows = len(world.history)
        world.history *= times
        world.write(tmp_path / name)
        assert worlds.run(tmp_path / name, **worlds.ANY_LOSS) == 0
        made[name] = texts(tmp_path / name)
    assert made["once"] == made["twice"]
    counted = worlds.counts(tmp_path / "twice")
    assert counted["history rows left out: duplicate"] == counted["history rows used"] > 1000
    assert sum(n for name, n in counted.items() if name.startswith("history rows")) == 2 * rows


def test_history_that_is_mostly_given_again_is_refused(tmp_path, capsys):
    world = worlds.plain(impressions=10)
    world.history *= 3
    world.write(tmp_path)
    sentence = refused(capsys, tmp_path)
    assert "10 of 15 rows of input.history are there already (such as member 'm0', title 't3'" in sentence
    assert "give every row of history once" in sentence


def test_members_without_history_and_pictures_without_description_are_always_told(tmp_path, capsys):
    world = worlds.plain(impressions=20)
    world.history = [row for row in world.history if row["member_id"] != "m3"]
    world.description = [row for row in world.description if row["image_sha256"] != worlds.sha("t1-2")]
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "members without history 1, pictures without description 1" in told
    counted = worlds.counts(tmp_path)
    assert counted["examples"]["members without history"] == "member 'm3'"
    assert counted["examples"]["pictures without description"] == "artwork 't1-2', not yet described"


@pytest.mark.slow
def test_the_refusal_for_want_of_descriptions_tells_failed_from_missing(tmp_path, capsys):
    world = worlds.plain(impressions=20)
    failed = dict.fromkeys(("caption", "mood", "setting", "people_count", "composition")) | {"status": "invalid_json"}
    for row in world.description[:5]:
        row |= failed
    world.description = world.description[:9]
    world.write(tmp_path)
    sentence = refused(capsys, tmp_path)
    assert "described 4 of 12 candidates' pictures (5 failed as invalid_json, 3 not yet described)" in sentence
    assert "describe.retry_failed=true" in sentence
    world.description = world.description[5:]
    (tmp_path / "other").mkdir()
    world.write(tmp_path / "other")
    sentence = refused(capsys, tmp_path / "other")
    assert "(8 not yet described)" in sentence
    assert "retry_failed" not in sentence


HISTORY = "member_id;title_id;event;at;minutes\n"


def as_csv(folder, *lines, name="history", head=HISTORY):
    (folder / f"{name}.csv").write_text(head + "".join(f"{line}\n" for line in lines))
    setting = {"history": "input__history", "impression": "input__impressions"}[name]
    return {setting: folder / f"{name}.csv"}


@pytest.mark.parametrize(
    ("lines", "told", "not_told"),
    fast_first(
        [
            (
                [f"m{n};t1;play;2025-02-01T00:00:00Z;{n},5" for n in range(5)],
                [
                    "5 of 5 minutes of plays in input.history cannot be used (such as ",
                    "minutes '0,5' is not a finite number; decimals are written with a point, 0.5",
                    "prompts.max_lost.minutes (it is 0.5)",
                ],
                [],
            ),
            (
                ["m1;t1;play;2025-02-01T00:00:00Z;1", *["m1;t1;play;soon;1"] * 4, "m1;t9;play;2025-02-01T00:00:00Z;1"],
                ["5 of 6 rows of input.history", "4 of them as bad_at", "at 'soon'", "write times with their zone"],
                ["events are", "input.titles"],
            ),
            (
                ["m1;t1;play;2025-02-01T00:00:00Z;1", *["m1;t1;seen;2025-02-01T00:00:00Z;1"] * 4],
                ["4 of 5 rows of input.history", "unknown_event", "'seen'", "events are play, thumbs_up, thumbs_down"],
                ["input.titles", "times"],
            ),
            (
                ["m1;t1;play;2025-02-01T00:00:00Z;1", *["m1;t9;play;2025-02-01T00:00:00Z;1"] * 4],
                ["4 of 5 rows of input.history", "unknown_title", "give input.titles all titles"],
                ["events are", "times"],
            ),
            (
                ["m1;t1;play;2025-02-01T00:00:00Z;1", *["m1;t1;play;;1"] * 4],
                ["4 of 5 rows of input.history", "incomplete", "fill in every column"],
                ["events are", "input.titles"],
            ),
        ],
        2,
    ),
    ids=["minutes", "bad_at", "unknown_event", "unknown_title", "incomplete"],
)
def test_the_advice_fits_what_most_rows_of_history_are_lost_for(tmp_path, capsys, lines, told, not_told):
    worlds.plain(impressions=20).write(tmp_path)
    sentence = refused(capsys, tmp_path, **as_csv(tmp_path, *lines), prompts__min_with_history=0)
    assert all(each in sentence for each in told), sentence
    assert not any(each in sentence for each in not_told), sentence


@pytest.mark.parametrize(
    ("change", "told"),
    fast_first(
        [
            (
                {"propensity": "0,5"},
                ["bad_propensity", "decimals are written with a point, 0.5", "above 0 and at most 1"],
            ),
            ({"propensity": "0"}, ["bad_propensity", "the probability with which the policy chose"]),
            ({"reward": "7"}, ["bad_reward", "a number from 0 to 1"]),
            ({"at": "soon"}, ["bad_at", "write times with their zone"]),
            ({"candidates": "t0-1|t0-2"}, ["shown_not_candidate", "is one of the candidates"]),
            ({"artwork_id": ""}, ["incomplete", "fill in every column"]),
            ({"minutes": "1,5"}, ["minutes of impressions cannot be used", "with a point", "prompts.max_lost.minutes"]),
        ],
        2,
    ),
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_the_advice_fits_what_impressions_are_lost_for(tmp_path, capsys, change, told):
    worlds.plain(impressions=20).write(tmp_path)
    row = {"member_id": "m1", "title_id": "t0", "artwork_id": "t0-0", "candidates": "t0-0|t0-1", "propensity": "0.5"}
    row |= {"at": "2025-03-02T00:00:00Z", "reward": "1", "minutes": "1"} | change
    head = f"impression_id;{';'.join(row)}\n"
    lines = [f"i{n};{';'.join(row.values())}" for n in range(3)]
    sentence = refused(capsys, tmp_path, **as_csv(tmp_path, *lines, name="impression", head=head))
    assert all(each in sentence for each in told), sentence


def test_no_message_and_no_table_names_a_member_who_gets_a_pseudonym(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MEMBER_KEY", "a long enough secret of the tests")
    keyed = {"prompts__member_key_env": "MEMBER_KEY"}
    world = doubled()
    world.history = [row for row in world.history if row["member_id"] != "m3"]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **keyed) == 0
    out, err = capsys.readouterr()
    counted = worlds.counts(tmp_path)
    assert counted["members without history"] == 1
    assert counted["history rows left out: duplicate"] == 4
    assert not any(f"'m{n}'" in out + err + str(counted) for n in range(5))
    for value in ("1234567.5", "1.2345675e6"):
        (tmp_path / "h.jsonl").write_text(
            f'{{"member_id":{value},"title_id":"t1","event":"play","at":"2025-02-01T00:00:00Z"}}'
        )
        sentence = refused(capsys, tmp_path, **keyed, input__history=tmp_path / "h.jsonl")
        assert "h.jsonl:1: member_id can't be an id" in sentence
        assert "12345" not in sentence


@pytest.mark.slow
def test_a_temporary_folder_may_have_a_quote_in_its_name(tmp_path, monkeypatch):
    folder = tmp_path / "it's"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    worlds.plain(impressions=4).write(tmp_path)
    lines = as_csv(tmp_path, "m1;t1;play;2025-02-01T00:00:00Z;1")  # what is converted goes there too
    assert worlds.run(tmp_path, **lines, prompts__min_with_history=0) == 0
    assert len(worlds.rows(tmp_path)) == 4
    assert list(Path(folder).iterdir()) == []
