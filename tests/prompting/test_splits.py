"""The order of the candidates favours no letter, and what is held out is never trained on."""

import hashlib
from collections import Counter, defaultdict
from datetime import UTC, timedelta, timezone

import pytest

from . import worlds


@pytest.mark.slow
def test_the_shuffle_favours_no_letter(tmp_path):
    world = worlds.plain(impressions=1200, candidates=4, members=7)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    rows = worlds.rows(tmp_path)
    for letters in (Counter(row["answer"] for row in rows), Counter("ABCD"[_place(row)] for row in rows)):
        chi_squared = sum((letters[letter] - 300) ** 2 / 300 for letter in "ABCD")
        assert chi_squared < 16.27  # 3 degrees of freedom: one in a thousand


@pytest.mark.slow
def test_the_shuffle_favours_no_letter_in_the_demo_world(tmp_path):
    """Each letter is the answer as often as its share of the candidates says, for every number of candidates."""
    worlds.demo(impressions=3000).write(tmp_path)
    assert worlds.run(tmp_path) == 0
    rows = worlds.rows(tmp_path)
    assert len(rows) == 3000
    shown, chi_squared, freedom = defaultdict(Counter), 0.0, 0
    for row in rows:
        shown[len(row["artwork_ids"])][row["answer"]] += 1
    for candidates, letters in shown.items():
        expected = letters.total() / candidates
        chi_squared += sum((letters[letter] - expected) ** 2 / expected for letter in "ABCDEFGH"[:candidates])
        freedom += candidates - 1
    assert (len(shown), freedom) == (7, 28)
    assert chi_squared < 56.89  # 28 degrees of freedom: one in a thousand


def _place(row):
    return row["artwork_ids"].index(f"{row['title_id']}-3")


def test_the_shuffle_follows_from_seed_and_impression_alone(tmp_path):
    world = worlds.plain(impressions=6)
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__seed=5) == 0
    for row in worlds.rows(tmp_path):
        digests = [hashlib.md5(f"5|{row['impression_id']}|{name}".encode()).hexdigest() for name in row["artwork_ids"]]
        assert digests == sorted(digests)


def splits(rows):
    found = defaultdict(set)
    for row in rows:
        found[row["member_id"], row["title_id"]].add(row["split"])
    return found


SLOW = [pytest.param(*each, marks=pytest.mark.slow) for each in ((0, 0), (5, 5), (74, 74), (5000, 14))]


@pytest.mark.parametrize(("wanted", "expected"), [(75, 14), *SLOW])
def test_so_many_pairs_are_held_out_and_in_all_their_impressions(tmp_path, wanted, expected):
    worlds.plain(impressions=700, members=37).write(tmp_path)
    assert worlds.run(tmp_path, prompts__held_out=wanted) == 0
    found = splits(worlds.rows(tmp_path))
    assert len(found) == 148
    assert all(len(each) == 1 for each in found.values())
    assert sum(each == {"held_out"} for each in found.values()) == expected


@pytest.mark.slow
def test_later_nights_change_no_split(tmp_path):
    world = worlds.plain(impressions=900, members=37)
    every, world.impression = world.impression, world.impression[:300]
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    first = splits(worlds.rows(tmp_path))
    world.impression = every
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    both = splits(worlds.rows(tmp_path))
    assert len(worlds.rows(tmp_path)) == 900
    assert all(len(each) == 1 for each in both.values())
    assert all(both[pair] == first[pair] for pair in first)


@pytest.mark.slow
def test_a_split_in_time(tmp_path):
    worlds.plain(impressions=20).write(tmp_path)
    moment = worlds.START + timedelta(hours=50)
    for zone in (UTC, timezone(timedelta(hours=5))):
        assert worlds.run(tmp_path, prompts__held_out_from=moment.astimezone(zone).isoformat()) == 0
    rows = worlds.rows(tmp_path)
    assert len(rows) == 20
    assert {row["split"] for row in rows if row["asked_at"] < moment} == {"train"}
    assert {row["split"] for row in rows if row["asked_at"] >= moment} == {"held_out"}


@pytest.mark.slow
def test_a_night_without_impressions_does_not_decide_what_is_held_out(tmp_path):
    world = worlds.plain(impressions=40, members=20)
    shown, world.impression = world.impression, []
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__held_out=5) == 0
    world.impression = shown
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__held_out=5) == 0
    held_out = {(row["member_id"], row["title_id"]) for row in worlds.rows(tmp_path) if row["split"] == "held_out"}
    assert len(held_out) == 5
