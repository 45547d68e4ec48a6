"""Nothing of the impression itself or of later gets into a prompt."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.cases import fast_first

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
    row = prompt_of(tmp_path, world, prompts__unknown_candidate="placeholder")
    assert "watched 11 min" in row["prompt"]
    assert not any(word in row["prompt"] for word in ("22 min", "33 min", "thumbs", "Title 2", "Title 3", "t0-1"))
    assert row["prompt"].count("(not described)") == 1


def test_an_artwork_is_valid_from_its_first_moment_and_not_at_its_last(tmp_path):
    world, at = one_question()
    world.artwork[1] |= {"valid_from": at}
    world.artwork[2] |= {"valid_to": at}
    row = prompt_of(tmp_path, world, prompts__unknown_candidate="placeholder")
    assert all(f"A picture, {name}." in row["prompt"] for name in ("t0-0", "t0-1"))
    assert "t0-2" not in row["prompt"]
    assert row["prompt"].count("(not described)") == 1


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


@pytest.mark.slow
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
    as_of = moment.astimezone(timezone(timedelta(hours=-7))).isoformat()
    settings = {"prompts__unknown_candidate": "placeholder", "prompts__min_described": 0.5}
    row = prompt_of(tmp_path, world, prompts__as_of=as_of, **settings)
    assert row["as_of"] == moment
    assert 'mood: "early"' in row["prompt"]
    assert "late" not in row["prompt"]
    assert row["prompt"].count("(not described)") == 2  # t0-1 is described later, t0-9 comes later


@pytest.mark.parametrize(
    ("hours", "told"), fast_first([(0.99, "less than an hour ago"), (1, "1 h ago"), (47.99, "47 h ago")], 1)
)
def test_how_long_ago_is_said_in_whole_units(tmp_path, hours, told):
    world, at = one_question()
    world.history = [worlds.event("m0", "t1", at - timedelta(hours=hours))]
    assert f"watched 30 min, {told}\n" in prompt_of(tmp_path, world)["prompt"]


def test_a_member_without_history_gets_a_prompt_that_says_so(tmp_path):
    world, _ = one_question()
    world.history = []
    assert "this member has no history" in prompt_of(tmp_path, world, prompts__min_with_history=0)["prompt"]


@pytest.mark.slow
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


NIGHTLY = {"prompts__kind": "nightly", "input__impressions": None, "prompts__min_described": 0}


def tonight(folder, world, **settings):
    """The candidates of the pair m0, t0; the world is written first."""
    world.pair = world.pair or [{"member_id": "m0", "title_id": "t0"}]
    world.write(folder)
    assert worlds.run(folder, **NIGHTLY | settings, input__pairs=folder / "pair.parquet") == 0
    return {(row["member_id"], row["title_id"]): sorted(row["artwork_ids"]) for row in worlds.rows(folder)}


def test_nightly_prompts_are_of_the_catalogue_as_it_is_now(tmp_path):
    """What was withdrawn, added, expired or moved a minute ago counts, and a clock that is ahead changes nothing."""
    now, minute, day = datetime.now(UTC), timedelta(minutes=1), timedelta(days=1)
    world = worlds.plain(impressions=0, candidates=2)
    world.artwork += [
        worlds.artwork("withdrawn", "t0", seen_at=now - 2 * day),
        worlds.artwork("withdrawn", "t0", seen_at=now - minute, present=False),
        worlds.artwork("withdrawn-ahead", "t0", seen_at=now - 2 * day),
        worlds.artwork("withdrawn-ahead", "t0", seen_at=now + minute, present=False),
        worlds.artwork("added", "t0", seen_at=now - minute),
        worlds.artwork("added-ahead", "t0", seen_at=now + minute),
        worlds.artwork("back", "t0", seen_at=now - 2 * day, present=False),
        worlds.artwork("back", "t0", seen_at=now - minute),
        worlds.artwork("expired", "t0", valid_to=now - minute),
        worlds.artwork("premiered", "t0", valid_from=now - minute, valid_to=now + day),
        worlds.artwork("to-come", "t0", valid_from=now + day),
        worlds.artwork("moved", "t0", seen_at=now - 2 * day),
        worlds.artwork("moved", "t1", seen_at=now - minute),
    ]
    world.history = [worlds.event("m0", "t1", now - minute), worlds.event("m0", "t2", now + day)]
    found = tonight(tmp_path, world)
    assert found == {("m0", "t0"): sorted(["t0-0", "t0-1", "added", "added-ahead", "back", "premiered"])}
    (row,) = worlds.rows(tmp_path)
    assert now < row["asked_at"] < now + minute
    assert '"Title 1"' in row["prompt"]
    assert '"Title 2"' not in row["prompt"]


@pytest.mark.slow
def test_an_explicit_moment_is_exact(tmp_path):
    at = worlds.LATER + timedelta(days=30)
    world = worlds.plain(impressions=0, candidates=2)
    for name, change, when in (("gone", False, at), ("gone-after", False, at + INSTANT), ("new", True, at + INSTANT)):
        world.artwork.append(worlds.artwork(name, "t0", present=not change))
        world.artwork.append(worlds.artwork(name, "t0", present=change, seen_at=when))
    found = tonight(tmp_path, world, prompts__at=at.isoformat())
    assert found == {("m0", "t0"): ["gone-after", "t0-0", "t0-1"]}
    assert worlds.rows(tmp_path)[0]["asked_at"] == at


@pytest.mark.slow
def test_a_pair_is_asked_about_once_a_day_unless_a_moment_is_given(tmp_path):
    world = worlds.plain(impressions=0)
    tonight(tmp_path, world)
    (first,) = worlds.rows(tmp_path)
    world.pair.append({"member_id": "m1", "title_id": "t0"})
    tonight(tmp_path, world)
    assert first in worlds.rows(tmp_path)
    assert len(worlds.rows(tmp_path)) == 2
    for hour in (1, 2, 2):
        tonight(tmp_path, world, prompts__at=f"{first['asked_at']:%Y-%m-%d}T0{hour}:00:00Z")
    assert len(worlds.rows(tmp_path)) == 6


@pytest.mark.parametrize(
    ("language", "offered"),
    fast_first(
        [
            (None, {"pt", "pt-BR", "pt_PT", "en-US"}),
            ("", {"pt", "pt-BR", "pt_PT", "en-US"}),
            ("pt", {"pt", "pt-BR", "pt_PT"}),
            ("PT-br", {"pt", "pt-BR"}),
            ("pt_PT.UTF-8", {"pt", "pt_PT"}),
            ("en", {"en-US"}),
            ("e", set()),
            ("fr", set()),
        ],
        3,
    ),
)
def test_artwork_for_another_language_is_no_candidate_tonight(tmp_path, language, offered):
    world = worlds.plain(impressions=0, candidates=2)
    for locale in ("pt", "pt-BR", "pt_PT", "en-US", "zxx", ""):
        world.artwork.append(worlds.artwork(f"for {locale}", "t0", locale=locale))
    world.pair = [{"member_id": "m0", "title_id": "t0", "language": language}]
    for_all = {"t0-0", "t0-1", "for zxx", "for "}
    assert tonight(tmp_path, world) == {("m0", "t0"): sorted(for_all | {f"for {locale}" for locale in offered})}


@pytest.mark.slow
def test_the_language_of_a_member_is_that_of_the_newest_impression_unless_the_pair_has_one(tmp_path):
    world = worlds.plain(impressions=3, members=1)
    moment = worlds.LATER + timedelta(days=1)
    for row, language, at in zip(
        world.impression,
        ("en", "pt-BR", "fr"),
        (moment - 2 * INSTANT, moment - INSTANT, moment),
        strict=True,
    ):
        row |= {"language": language, "at": at}
    world.artwork += [
        worlds.artwork(f"{t}-{locale}", t, locale=locale) for t in ("t0", "t1") for locale in ("en", "pt")
    ]
    world.pair = [{"member_id": "m0", "title_id": "t0"}, {"member_id": "m0", "title_id": "t1", "language": "en"}]
    log = {"input__impressions": tmp_path / "impression.parquet", "prompts__at": moment.isoformat()}
    found = tonight(tmp_path, world, **log)
    assert found["m0", "t0"] == ["t0-0", "t0-1", "t0-2", "t0-pt"]
    assert found["m0", "t1"] == ["t1-0", "t1-1", "t1-2", "t1-en"]
    assert worlds.run(tmp_path) == 0
    assert len([row for row in worlds.rows(tmp_path) if row["kind"] == "logged"]) == 3
