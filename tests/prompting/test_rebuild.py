"""Prompts of a recipe can be made again, and no reader ever finds one twice or not at all."""

import glob
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from featurize.errors import RunFailed
from featurize.storage import switch, tables
from featurize.storage.store import Store
from jobs import cli, compact

from . import worlds

AGAIN = {"prompts__rebuild": "true"}


def parts(folder):
    return {path: path.stat().st_ino for path in (folder / "store" / "prompt").rglob("*.parquet")}


def said(rows):
    """impression_id -> whether it is in other words."""
    return {row["impression_id"]: "In other words" in row["prompt"] for row in rows}


def in_other_words(world):
    """What the captioner says when it is asked again about what it failed at."""
    for row in world.description:
        row |= {"status": "truncated", "caption": None}
    better = [
        row | {"status": "ok", "caption": "In other words.", "computed_at": worlds.LATER + timedelta(hours=1)}
        for row in world.description
    ]
    return better


def made(folder, world, **settings):
    """Writes the world, makes its prompts, and then puts better descriptions into the store."""
    better = in_other_words(world)
    world.write(folder)
    assert worlds.run(folder, **settings) == 0
    world.description = better
    world.write(folder)


def without_run(rows):
    return [{name: value for name, value in row.items() if name not in ("run_id", "computed_at")} for row in rows]


class Reader:
    """Reads the plain glob and a view again and again, until the block ends; `wrong` has what should not have been."""

    def __init__(self, folder, prompts):
        self.folder, self.prompts, self.runs, self.reads, self.gone = folder, prompts, set(), 0, 0
        self.wrong = []
        self.stop, self.thread = threading.Event(), threading.Thread(target=self.read)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def read(self):
        store = f"{self.folder}/store"
        of_glob = f"""SELECT count(*), count(DISTINCT prompt_id), list(DISTINCT run_id), count(prompt)
            FROM read_parquet('{store}/prompt/**/*.parquet')"""
        of_view = (
            "SELECT count(*), count(DISTINCT prompt_id), list(DISTINCT run_id), count(prompt) FROM labelled_prompt"
        )
        while not self.stop.is_set():
            try:
                with duckdb.connect(f"{store}/catalog.duckdb", read_only=True) as db:
                    for query in (of_glob, of_view):
                        *found, runs, _ = db.execute(query).fetchall()[0]
                        self.runs |= set(runs)
                        self.reads += 1
                        if found != [self.prompts, self.prompts]:
                            self.wrong.append(found)
            except duckdb.IOException:  # a file that was listed is gone when it is opened
                self.gone += 1
            except duckdb.Error as error:
                self.wrong.append(str(error))


@pytest.mark.slow
def test_a_rebuild_says_what_is_known_now_under_the_same_ids(tmp_path, capsys):
    world = worlds.plain(impressions=40)
    made(tmp_path, world)
    before = worlds.rows(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert worlds.rows(tmp_path) == before
    assert worlds.run(tmp_path, **AGAIN) == 0
    counted = worlds.counts(tmp_path)
    assert (counted["made again"], counted["new prompts"], counted["no longer possible"]) == (40, 40, 0)
    assert "made again 40" in capsys.readouterr().out
    after = worlds.rows(tmp_path)
    kept = ("prompt_id", "recipe_key", "impression_id", "split", "artwork_ids", "answer", "reward", "propensity")
    assert [[row[name] for name in kept] for row in after] == [[row[name] for name in kept] for row in before]
    assert set(said(before).values()) == {False}
    assert set(said(after).values()) == {True}
    assert not (tmp_path / "store" / "_new" / "prompt").exists()
    stamps = parts(tmp_path)
    whole = {path: path.read_bytes() for path in stamps}
    for path in stamps:
        path.write_bytes(b"not to be read")
    assert worlds.run(tmp_path) == 0
    assert parts(tmp_path) == stamps
    for path, data in whole.items():
        path.write_bytes(data)
    (tmp_path / "clean").mkdir()
    world.write(tmp_path / "clean")
    assert worlds.run(tmp_path / "clean") == 0
    assert without_run(after) == without_run(worlds.rows(tmp_path / "clean"))


@pytest.mark.slow
def test_a_reader_that_never_stops_finds_every_prompt_once(tmp_path):
    made(tmp_path, worlds.plain(impressions=200))
    with Reader(tmp_path, 200) as reader:
        for _ in range(3):
            assert worlds.run(tmp_path, **AGAIN) == 0
    assert reader.wrong == []
    assert reader.gone <= 3
    assert reader.reads > 20
    assert len(reader.runs) == 4


@pytest.mark.slow
def test_what_the_input_does_not_ask_for_stays_as_it_is(tmp_path):
    """Asked again is about half of one day and all of another; the other days are not even written again."""
    world = worlds.plain(impressions=40)
    made(tmp_path, world)
    before, stamps = worlds.rows(tmp_path), parts(tmp_path)
    again = [row for row in world.impression if row["at"].day == 3 or (row["at"].day == 4 and row["at"].hour < 12)]
    assert 5 < len(again) < 10
    world.impression = again
    world.write(tmp_path)
    assert worlds.run(tmp_path, **AGAIN) == 0
    after = worlds.rows(tmp_path)
    ids = {row["impression_id"] for row in again}
    assert {key for key, other in said(after).items() if other} == ids
    assert [row for row in after if row["impression_id"] not in ids] == [
        row for row in before if row["impression_id"] not in ids
    ]
    counted = worlds.counts(tmp_path)
    assert counted["made again"] + counted["left as they are"] == sum(row["asked_at"].day in (3, 4) for row in before)
    others = {path: inode for path, inode in stamps.items() if path.parents[1].name not in ("2025-03-03", "2025-03-04")}
    assert others.items() <= parts(tmp_path).items()


@pytest.mark.slow
def test_what_can_no_longer_be_asked_goes_and_what_is_new_comes(tmp_path):
    world = worlds.plain(impressions=40)
    every, world.impression = world.impression, world.impression[:30]
    made(tmp_path, world)
    world.impression = every
    withdrawn = worlds.START + timedelta(days=5)
    for name in ("t0-1", "t0-2"):
        world.artwork.append(worlds.artwork(name, "t0", valid_to=withdrawn, seen_at=worlds.LATER - timedelta(1)))
    world.artwork = world.artwork[-2:]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **AGAIN) == 0
    possible = {row["impression_id"] for row in every if row["title_id"] != "t0" or row["at"] < withdrawn}
    assert {row["impression_id"] for row in worlds.rows(tmp_path)} == possible
    counted = worlds.counts(tmp_path)
    assert (counted["no longer possible"], counted["made again"], counted["new prompts"]) == (2, 28, 36)


@pytest.mark.slow
def test_a_rebuild_that_would_leave_nothing_is_refused(tmp_path, capsys):
    world = worlds.plain(impressions=8)
    made(tmp_path, world)
    before = worlds.rows(tmp_path)
    expired = {"valid_to": worlds.START, "seen_at": worlds.LATER - timedelta(1)}
    world.artwork = [row | expired for row in world.artwork]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **AGAIN) == 2
    assert "prompts.rebuild would leave no prompt of these days" in capsys.readouterr().err
    assert worlds.rows(tmp_path) == before


@pytest.mark.slow
def test_without_prompts_a_rebuild_is_a_run_like_any_other(tmp_path):
    worlds.plain(impressions=8).write(tmp_path)
    assert worlds.run(tmp_path, **AGAIN) == 0
    assert len(worlds.rows(tmp_path)) == 8
    assert "made again" not in worlds.counts(tmp_path)


@pytest.mark.slow
def test_a_dry_run_of_a_rebuild_counts_and_writes_nothing(tmp_path, capsys):
    made(tmp_path, worlds.plain(impressions=8))
    before = parts(tmp_path)
    capsys.readouterr()
    assert worlds.run(tmp_path, "--dry-run", **AGAIN) == 0
    assert "made again 8" in capsys.readouterr().out
    assert parts(tmp_path) == before
    assert not (tmp_path / "store" / "_new").exists()


@pytest.mark.slow
def test_tonight_is_made_again_and_other_nights_stay(tmp_path):
    world = worlds.plain(impressions=0)
    world.pair = [{"member_id": f"m{n}", "title_id": "t0"} for n in range(3)]
    nightly = {"prompts__kind": "nightly", "input__impressions": None, "input__pairs": tmp_path / "pair.parquet"}
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    made(tmp_path, world, **nightly, prompts__at=past)
    assert worlds.run(tmp_path, **nightly) == 0
    before = {row["prompt_id"]: row for row in worlds.rows(tmp_path)}
    world.artwork = [worlds.artwork("t0-0", "t0", seen_at=datetime.now(UTC), present=False)]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **nightly, **AGAIN) == 0
    after = {row["prompt_id"]: row for row in worlds.rows(tmp_path)}
    assert after.keys() == before.keys()
    changed = {key for key in after if after[key] != before[key]}
    assert len(changed) == 3
    assert all("t0-0" not in after[key]["artwork_ids"] for key in changed)
    assert all("t0-0" in after[key]["artwork_ids"] for key in after.keys() - changed)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["staging", "done"])
def test_a_rebuild_that_is_killed_leaves_all_old_or_all_new(tmp_path, when):
    made(tmp_path, worlds.plain(impressions=400))
    before = worlds.rows(tmp_path)
    new = tmp_path / "store" / "_new"
    staged = f"{new}/prompt/*/*/*/*.parquet"
    command = [sys.executable, "-m", "jobs.prompts", *worlds.settings(tmp_path, **AGAIN)]
    with subprocess.Popen(command) as process:
        while not glob.glob(staged) and process.poll() is None:
            time.sleep(0.002)
        while when == "done" and glob.glob(staged) and process.poll() is None:
            time.sleep(0.002)
        process.kill()
    assert set(said(worlds.rows(tmp_path)).values()) in ({False}, {True})
    assert len(worlds.rows(tmp_path)) == 400
    time.sleep(0.1)
    assert worlds.run(tmp_path) == 0
    assert not (new / "prompt").exists()
    after = worlds.rows(tmp_path)
    assert len(after) == 400
    assert worlds.counts(tmp_path)["new prompts"] == 0
    assert after == before or set(said(after).values()) == {True}


def on_s3(folder, s3_bucket, world):
    """A store on S3 with the features of a world; `made` has run there."""
    better = in_other_words(world)
    place = Store(f"s3://{s3_bucket}/store")
    for description in (world.description, better):
        world.description = description
        world.write(folder)
        source = Store(str(folder / "store"))
        for table in ("artwork", "description"):
            for part in source.parts(table):
                place.write(part, source.read(part))
        if description is not better:
            assert worlds.run(folder, store=place.uri) == 0
    return place


def rows_of(place):
    with tables.connect() as db:
        place.register(db, "prompt")
        return tables.arrow(db, "FROM prompt ORDER BY prompt_id").to_pylist()


@pytest.mark.slow
def test_on_s3_a_part_takes_the_place_of_the_old_one(tmp_path, s3_bucket):
    world = worlds.plain(impressions=30)
    place = on_s3(tmp_path, s3_bucket, world)
    before, names = rows_of(place), place.parts("prompt")
    assert set(said(before).values()) == {False}
    assert worlds.run(tmp_path, store=place.uri, **AGAIN) == 0
    assert set(place.parts("prompt")).isdisjoint(names)
    assert place.parts("_new") == []
    assert set(said(rows_of(place)).values()) == {True}
    assert [row["prompt_id"] for row in rows_of(place)] == [row["prompt_id"] for row in before]


@pytest.mark.slow
def test_a_switch_on_s3_that_was_stopped_is_finished_by_the_next_run(tmp_path, s3_bucket):
    place = on_s3(tmp_path, s3_bucket, worlds.plain(impressions=30))
    (recipe,) = {part.split("/")[1] for part in place.parts("prompt")}
    days = sorted({part.split("/")[2] for part in place.parts("prompt")})
    for day in days[:3]:
        rows = place.dataset("prompt", [f"{recipe}/{day}"]).to_table()
        prompts = [f"In other words: {text}" for text in rows["prompt"].to_pylist()]
        rows = rows.set_column(rows.schema.get_field_index("prompt"), rows.schema.field("prompt"), [prompts])
        place.commit(switch.staged("prompt"), f"{recipe}/{day}", f"new name of {day}", rows)
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 3:
            raise RunFailed("stopped here")

    with pytest.raises(RunFailed, match="stopped here"):
        switch.switch(place, "prompt", recipe, days[:3], stop)
    assert place.parts("_new")
    assert worlds.run(tmp_path, store=place.uri) == 0
    assert place.parts("_new") == []
    new = {row["impression_id"] for row in rows_of(place) if f"{row['asked_at']:%Y-%m-%d}" in days[:3]}
    assert {key for key, other in said(rows_of(place)).items() if other} == new
    assert len(rows_of(place)) == 30


@pytest.mark.slow
def test_lineage_tells_the_words_a_prompt_was_made_of(tmp_path):
    """A description that was tried again counts in prompts from then on, and not in those from before."""
    world = worlds.plain(impressions=4)
    now = datetime.now(UTC)
    world.description = [
        row | {"status": "invalid_fields", "caption": "At first.", "computed_at": now} for row in world.description
    ]
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    world.description = [row | {"status": "truncated", "caption": None} for row in world.description]
    later = [row | {"status": "ok", "caption": "Then.", "computed_at": datetime.now(UTC)} for row in world.description]
    world.description = [*(row | {"computed_at": now + timedelta(microseconds=1)} for row in world.description), *later]
    world.write(tmp_path)
    said = "SELECT DISTINCT caption FROM prompt_lineage"
    for settings, caption in (({}, "At first."), (AGAIN, "Then.")):
        assert worlds.run(tmp_path, **settings) == 0
        assert all(caption in row["prompt"] for row in worlds.rows(tmp_path))
        with duckdb.connect(f"{tmp_path}/store/catalog.duckdb", read_only=True) as db:
            assert db.execute(said).fetchall() == [(caption,)]


@pytest.mark.slow
def test_what_was_compacted_is_made_again_too(tmp_path):
    made(tmp_path, worlds.plain(impressions=40))
    assert worlds.run(tmp_path) == 0
    before = worlds.rows(tmp_path)
    place = [f"--set=store={tmp_path}/store"]
    assert cli.main("compact", "doc", compact.compact, place) == 0
    assert worlds.rows(tmp_path) == before
    assert worlds.run(tmp_path) == 0
    assert worlds.counts(tmp_path)["new prompts"] == 0
    assert worlds.run(tmp_path, **AGAIN) == 0
    assert set(said(worlds.rows(tmp_path)).values()) == {True}
    assert len(worlds.rows(tmp_path)) == 40
    after = worlds.rows(tmp_path)
    assert cli.main("compact", "doc", compact.compact, place) == 0
    assert worlds.rows(tmp_path) == after
    assert worlds.run(tmp_path) == 0
    assert worlds.counts(tmp_path)["new prompts"] == 0
