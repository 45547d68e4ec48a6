"""The true reward is the formula in words, recomputed here number by number; and the log has what it depends on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from math import exp
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from featurize.demo.actors import actors
from featurize.demo.impressions import log
from featurize.demo.members import DEVICES, FANDOM, PLACES, THEME_NAMES, history_batch, tastes_of
from featurize.demo.titles import Title, titles
from featurize.demo.vocabulary import MOODS

MEMBERS = 500


@dataclass
class World:
    catalogue: dict[str, Title]
    rows: list[dict[str, Any]]
    truth: dict[str, list[float]]
    history: pa.Table


@pytest.fixture(scope="module")
def world() -> World:
    catalogue = list(titles(60, 0))
    history, seen = history_batch(0, MEMBERS, 60, catalogue, 0)
    impressions, rewards, _ = log(4_000, seen, catalogue, 0)
    truth: dict[str, list[float]] = {}
    for row in rewards.to_pylist():
        truth.setdefault(row["impression_id"], []).append(row["expected_reward"])
    return World({title.title_id: title for title in catalogue}, impressions.to_pylist(), truth, history)


def test_the_reward_is_the_formula(world: World) -> None:
    tastes = tastes_of(0, MEMBERS, 0)
    number_of = {actor.name: actor.number for actor in actors(0)}
    in_vain: Counter[tuple[str, str]] = Counter()
    for row in world.rows:
        title, member = world.catalogue[row["title_id"]], int(row["member_id"][1:]) - 1
        themes, likes = tastes.themes[member], tastes.actors[member]
        ranks = [3, 2, 1][: len(title.themes)]
        interest = sum(
            themes[THEME_NAMES.index(theme)] * rank / sum(ranks)
            for theme, rank in zip(title.themes, ranks, strict=True)
        ) + FANDOM * sum(likes[actor.number] for actor in title.cast)
        near = {"phone": 1.0, "tablet": 0.4, "web": -0.2, "television": -1.0}[row["device"]]
        for artwork, told in zip(title.artworks, world.truth[row["impression_id"]], strict=True):
            scene = artwork.scene
            closeness = {"close-up": 1, "medium shot": 0.4, "still life": 0, "full shot": -0.3, "wide shot": -1}
            close, people = closeness[scene.shot], scene.people_count
            u = -3.2 + 2 * interest + 0.25 * close + 0.15 * (scene.title_text is not None)
            u += 0.15 if people in (1, 2) else -0.1
            u += 2.6 * themes[THEME_NAMES.index(scene.theme)] + 0.9 * tastes.moods[member, MOODS.index(scene.mood)]
            u += 0.6 * tastes.close[member] * close + 0.4 * tastes.crowd[member] * (people - 1.5)
            u += 2.4 * max((likes[number_of[name]] for name in scene.depicts), default=0)
            u += 0.8 * near * close - 0.6 * min(3, in_vain[row["member_id"], artwork.artwork_id])
            assert told == pytest.approx(1 / (1 + exp(-u)), abs=1e-6)
        in_vain[row["member_id"], row["artwork_id"]] += row["reward"] == 0


def test_titles_come_back_and_so_do_their_artworks(world: World) -> None:
    again: list[bool] = []
    shown_again: list[bool] = []
    before: dict[tuple[str, str], set[str]] = {}
    for row in world.rows:
        past = before.setdefault((row["member_id"], row["title_id"]), set())
        again.append(bool(past))
        shown_again.append(row["artwork_id"] in past)
        past.add(row["artwork_id"])
    assert np.mean(again) > 0.4
    assert np.mean(shown_again) > 0.25


def test_a_member_has_one_home_and_mostly_one_device(world: World) -> None:
    homes: dict[str, set[tuple[str, str, str]]] = {}
    devices: dict[str, Counter[str]] = {}
    for row in world.rows:
        homes.setdefault(row["member_id"], set()).add((row["country"], row["language"], row["time_zone"]))
        devices.setdefault(row["member_id"], Counter())[row["device"]] += 1
    assert all(len(each) == 1 for each in homes.values())
    assert {place for each in homes.values() for place in each} == {place[:3] for place in PLACES}
    assert {device for each in devices.values() for device in each} == set(DEVICES)
    mostly = [max(each.values()) for each in devices.values()]
    assert 0.7 < sum(mostly) / len(world.rows) < 0.9


def test_people_watch_in_the_evening_of_their_own_day(world: World) -> None:
    hours = Counter(row["at"].astimezone(ZoneInfo(row["time_zone"])).hour for row in world.rows)
    assert sum(hours[hour] for hour in range(18, 24)) > 0.5 * len(world.rows)
    assert sum(hours[hour] for hour in range(2, 6)) < 0.05 * len(world.rows)
    days = {row["at"].date() for row in world.rows}
    assert timedelta(days=55) < max(days) - min(days) < timedelta(days=60)


def test_propensities_are_of_all_candidates_in_their_order(world: World) -> None:
    for row in world.rows:
        given = dict(zip(row["candidates"], row["propensities"], strict=True))
        assert sum(given.values()) == pytest.approx(1, abs=1e-9)
        assert given[row["artwork_id"]] == row["propensity"]
        assert min(given.values()) >= 0.2 / len(given) - 1e-6


def test_few_actors_are_liked_strongly_and_their_titles_watched_more(world: World) -> None:
    likes = tastes_of(0, MEMBERS, 0).actors
    assert ((likes == 0) | (likes >= 0.6)).all()
    assert 1 < (likes > 0).sum(axis=1).mean() < 3
    column = {actor.name: actor.number for actor in actors(0)}
    with_liked = {
        title_id: (likes[:, [column[actor.name] for actor in title.cast]] > 0).any(axis=1)
        for title_id, title in world.catalogue.items()
    }
    were_all_alike = np.mean(list(with_liked.values()), axis=0)
    plays = [(int(row["member_id"][1:]) - 1, row["title_id"]) for row in world.history.to_pylist()]
    liked = np.mean([with_liked[title_id][member] for member, title_id in plays])
    assert liked > 1.7 * np.mean([were_all_alike[member] for member, _ in plays])


def test_nothing_else_enters(world: World) -> None:
    """What came of it differs from the truth by chance alone, wherever and whenever it was."""
    left = np.array(
        [
            row["reward"] - world.truth[row["impression_id"]][row["candidates"].index(row["artwork_id"])]
            for row in world.rows
        ]
    )
    for name in ("country", "device", "time_zone"):
        values = [row[name] for row in world.rows]
        for value in set(values):
            some = left[[each == value for each in values]]
            assert abs(some.mean()) < 4 * some.std() / len(some) ** 0.5
