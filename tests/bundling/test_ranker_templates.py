"""What the bundled ranker reads in the words of a template is what the prompts job writes of the same facts."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from featurize.bundling.ranker_pages import HELD_OUT, LETTERS, WEEKDAYS, dice_of, page
from featurize.bundling.ranker_templates import COUNTED, FIRST, LONG, SHORT, words, written
from featurize.demo.scenes import describe
from featurize.prompting import template
from tests.prompting import worlds

PAGES = 50
MONDAY = datetime(2025, 3, 3, tzinfo=UTC)


def consistent(number, said):
    """A page whose counts are those of the plays that are told: no history is so long that not all of it is seen."""
    read = page(HELD_OUT, number, dice_of(HELD_OUT, number))
    watched = read.watched
    if not said.history.titles:  # a line for each event
        watched = tuple(replace(each, times=1) for each in watched[: said.history.recent])
    # Any wider apart, or all at once: their order is settled.
    watched = tuple(replace(each, hours=each.hours + place) for place, each in enumerate(watched))
    plays = [each for each in watched if each.event == "play"]
    genres, people, of_cast = Counter(), Counter(), said.people
    for each in plays:
        genres.update(dict.fromkeys(each.genres, each.times))
        people.update(dict.fromkeys(each.cast[: of_cast.cast if of_cast else 0], each.times))
    return replace(
        read,
        watched=watched,
        plays=ranked(genres),
        people=tuple(each for each in ranked(people) if each[1] >= 2),
        seen=dict(people),
        played=dict(genres),
        own=tuple((each.event, each.minutes, each.hours) for each in watched if each.name == read.name),
    )


def ranked(counts):
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def moment(read):
    now = read.now or {"day": "Monday", "time": "12:00"}
    hour, minute = map(int, now["time"].split(":"))
    return MONDAY + timedelta(days=WEEKDAYS.index(now["day"]), hours=hour, minutes=minute)


def tell(world, number, read):
    """Add the facts of a page to a world, as rows of the inputs and of what featurize finds."""
    member, at, own = f"m{number}", moment(read), f"p{number}-own"
    names = {read.name: own}
    world.title.append(
        {"title_id": own, "name": read.name, "year": read.year, "genres": list(read.genres),
         "synopsis": read.synopsis, "cast": list(read.cast)}
    )  # fmt: skip
    for place, each in enumerate(read.watched):
        if each.name not in names:
            names[each.name] = f"p{number}-{place}"
            row = {"title_id": names[each.name], "name": each.name, "genres": list(each.genres)}
            world.title.append(row | {"year": 2000, "synopsis": None, "cast": list(each.cast)})
        for time in range(each.times if each.event == "play" else 1):
            minutes = each.minutes if each.event == "play" else None
            happened = at - timedelta(hours=each.hours, seconds=time)
            world.history.append(worlds.event(member, names[each.name], happened, each.event, minutes))
    ids = []
    for shown in read.candidates:
        ids.append(f"{own}-{shown.letter}")
        world.artwork.append(worlds.artwork(ids[-1], own, depicts=list(shown.depicts)))
        truth = {name: value for name, value in describe(shown.scene).items() if name != "theme"}
        world.description.append(worlds.described(ids[-1], **truth))
        tag = {"image_sha256": worlds.sha(ids[-1]), "model_key": "tags-1", "attribute": "genre", "score": 1.0}
        world.image_tag.append(tag | {"label": shown.scene.theme, "probability": 1.0} | worlds.ORIGIN)
    where = {kind: read.now.get(kind) for kind in ("device", "country", "language")}
    where["time_zone"] = "UTC" if read.now else None
    for shown, name in zip(read.candidates, ids, strict=True):
        for time in range(shown.before):
            then = at - timedelta(days=shown.days, seconds=time)
            before = worlds.impression(f"{name}-{time}", member, own, then, ids, name, reward=float(shown.played))
            world.impression.append(before)
    world.impression.append(worlds.impression(f"now{number}", member, own, at, ids) | where)
    return own


def other_limits(folder):
    """The short template as somebody may change it."""
    text = Path(template.__file__).with_name("templates").joinpath(f"{SHORT}.toml").read_text(encoding="utf-8")
    for was, now in (("caption = 100", "caption = 64"), ("titles = 3", "titles = 6"), ("most = 2", "most = 4")):
        assert text.count(f"\n{was}") == 1
        text = text.replace(f"\n{was}", f"\n{now}")
    (folder / "short.toml").write_text(text, encoding="utf-8")
    return str(folder / "short.toml")


@pytest.mark.parametrize(
    "style", [SHORT, COUNTED, *(pytest.param(each, marks=pytest.mark.slow) for each in (LONG, FIRST, "other limits"))]
)
def test_a_page_is_written_byte_for_byte_as_the_job_writes_it(tmp_path, style):
    named = other_limits(tmp_path) if style == "other limits" else style
    said = words(named)
    pages = {number: consistent(number, said) for number in range(PAGES)}
    world = worlds.World([], [], [], [], [], [])
    owns = {f"inow{number}": (tell(world, number, read), read) for number, read in pages.items()}
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS | {"prompts__template": named}) == 0
    checked = Counter()
    for row in worlds.rows(tmp_path):
        if row["impression_id"] not in owns:
            continue
        own, read = owns[row["impression_id"]]
        by_id = {f"{own}-{shown.letter}": shown for shown in read.candidates}
        placed = zip(LETTERS, row["artwork_ids"], strict=False)
        read = replace(read, candidates=tuple(replace(by_id[name], letter=letter) for letter, name in placed))
        found = written(named, said, read)
        system, user = (message["content"] for message in row["messages"])
        assert (found.system, found.text) == (system, user.partition("\n\n## Question\n")[0])
        checked.update({"now": bool(read.now), "own": bool(read.own), "nothing": not read.watched, "pages": 1})
        checked.update({"before": any(shown.before for shown in read.candidates)})
        if style == COUNTED:
            checked.update({"played": "played" in found.told})
    assert checked["pages"] == PAGES
    assert min(checked.values()) > 1
