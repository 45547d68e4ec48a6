"""Nothing of the impression itself or of later gets into a prompt."""

from datetime import timedelta, timezone

import pytest

from . import worlds

INSTANT = timedelta(microseconds=1)


def one_question(**changes):
    """A world with one impression of t0, by m0, a day after the start."""
    world = worlds.plain(impressions=0)
    world.impression.append(
        worlds.impression(1, "m0", "t0", worlds.START + timedelta(days=1), ["t0-0", "t0-1", "t0-2"])
    )
    world.impression[0] |= changes
    return world, world.impression[0]["at"]


def prompt_of(folder, world, **settings):
    world.write(folder)
    assert worlds.run(folder, **settings) == 0
    return worlds.rows(folder)[0]


def test_of_planted_leaks_none_gets_in(tmp_path):
    world, at = one_question()
    world.history = [
        worlds.event("m0", "t1", at - INSTANT, minutes=11.0),
        worlds.event("m0", "t2", at, minutes=22.0),
        worlds.event("m0", "t3", at + INSTANT, minutes=33.0),
        worlds.event("m0", "t3", at + timedelta(days=1), "thumbs_up"),
        worlds.event("m1", "t3", at - timedelta(days=1), "thumbs_down"),
    ]
    world.artwork[1] |= {"valid_from": at + INSTANT}
    row = prompt_of(tmp_path, world)
    assert "watched 11 min" in row["prompt"]
    assert not any(word in row["prompt"] for word in ("22 min", "33 min", "thumbs", "Title 2", "Title 3"))
    assert sorted(row["artwork_ids"]) == ["t0-0", "t0-2"]


def test_an_artwork_is_valid_from_its_first_moment_and_not_at_its_last(tmp_path):
    world, at = one_question()
    world.artwork[1] |= {"valid_from": at}
    world.artwork[2] |= {"valid_to": at}
    assert sorted(prompt_of(tmp_path, world)["artwork_ids"]) == ["t0-0", "t0-1"]


def test_a_picture_replaced_later_is_described_as_it_was(tmp_path):
    world, at = one_question()
    old = world.artwork[0] | {"seen_at": at - timedelta(days=9), "image_sha256": worlds.sha("old")}
    world.artwork += [old, world.artwork[0] | {"seen_at": at + INSTANT, "image_sha256": worlds.sha("new")}]
    world.artwork[0] |= {"seen_at": at - INSTANT}
    world.description += [worlds.described("old", caption="OLD"), worlds.described("new", caption="NEW")]
    text = prompt_of(tmp_path, world)["prompt"]
    assert "A picture, t0-0." in text
    assert "OLD" not in text
    assert "NEW" not in text


def test_as_of_uses_what_was_computed_before_it(tmp_path):
    world, _ = one_question()
    moment = worlds.LATER + timedelta(days=5)
    world.artwork.append(worlds.artwork("t0-9", "t0", seen_at=moment))
    world.impression[0]["candidates"] = ["t0-0", "t0-1", "t0-9"]
    world.description[1] |= {"computed_at": moment}
    tag = {"model_key": "tags-1", "score": 0.1, "probability": 0.5, "run_id": "r", "code_version": "v"}
    for name, label, when in (("t0-0", "early", moment - INSTANT), ("t0-1", "late", moment)):
        row = {"image_sha256": worlds.sha(name), "attribute": "mood", "label": label, "computed_at": when}
        world.image_tag.append(row | tag)
    world.description[0] |= {"mood": None}
    row = prompt_of(tmp_path, world, prompts__as_of=moment.astimezone(timezone(timedelta(hours=-7))).isoformat())
    assert row["as_of"] == moment
    assert sorted(row["artwork_ids"]) == ["t0-0", "t0-1"]
    assert 'mood: "early"' in row["prompt"]
    assert "late" not in row["prompt"]
    assert "(not described)" in row["prompt"]


@pytest.mark.parametrize(("hours", "told"), [(0.99, "less than an hour ago"), (1, "1 h ago"), (47.99, "47 h ago")])
def test_how_long_ago_is_said_in_whole_units(tmp_path, hours, told):
    world, at = one_question()
    world.history = [worlds.event("m0", "t1", at - timedelta(hours=hours))]
    assert f"watched 30 min, {told}\n" in prompt_of(tmp_path, world)["prompt"]


def test_a_member_without_history_gets_a_prompt_that_says_so(tmp_path):
    world, _ = one_question()
    assert "this member has no history" in prompt_of(tmp_path, world)["prompt"]


def test_the_current_model_describes_unless_another_is_named(tmp_path):
    world, _ = one_question()
    newer = [row | {"model_key": "words-2", "caption": "In other words."} for row in world.description]
    world.write(tmp_path)
    store = worlds.Store(str(tmp_path / "store"))
    late = {"computed_at": worlds.LATER + timedelta(days=1), "backend": "b", "fingerprint": "{}"}
    for key, when in (("words-1", worlds.LATER), ("words-2", late["computed_at"])):
        row = {**late, "computed_at": when, "model_key": key, "run_id": "r", "code_version": "v"}
        store.commit("model", "", key, worlds.tables.rows("model", {name: [value] for name, value in row.items()}))
    columns = {name: [row[name] for row in newer] for name in newer[0]}
    store.commit("description", "words-2", "part", worlds.tables.rows("description", columns))
    assert worlds.run(tmp_path) == 0
    assert worlds.run(tmp_path, prompts__descriptions="words-1") == 0
    texts = {row["model_key"]: row["prompt"] for row in worlds.rows(tmp_path)}
    assert "In other words." in texts["words-2"]
    assert "A picture, t0-0." in texts["words-1"]
