"""Pages in the words of the prompt templates that ship, as the prompts job would write them.

What the job's own `template` renders (titles, pictures) it renders here, too; what DuckDB puts together there is put
together here. Invariant: a page is written byte for byte as the job writes the same facts, and what the text leaves out
is left out of the page that questions are made of.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import Any

from featurize.bundling.ranker_pages import WEEKDAYS, Page, Shown, Watched, Written
from featurize.demo.scenes import describe
from featurize.demo.vocabulary import PLURALS
from featurize.prompting import places, template
from featurize.prompting.template import Template

FIRST, LONG, SHORT = "multiple-choice-v1", "multiple-choice-v2", "multiple-choice-short-v1"
COUNTED = "multiple-choice-short-v2"
"""The short one with the plays of its genre beside each artwork."""
_IN_CAPTION = {"genre", "mood", "setting", "shot"}
_OTHERWISE = 0.5
"""How often a page in the words of a short template has other limits than it: those are what people turn."""

words = lru_cache(template.load)
"""A template that ships, by its name."""


def templated(name: str, read: Page, dice: Random) -> Written:
    """A page in the words of a template, now and then with other limits; the template's own question is left out."""
    said = words(name)
    if name in (SHORT, COUNTED) and dice.random() < _OTHERWISE:
        said = _otherwise(said, dice)
    return written(name, said, read)


def _otherwise(said: Template, dice: Random) -> Template:
    people = said.people and said.people.model_copy(update={"most": dice.randint(2, 5), "depicts": dice.randint(1, 4)})
    limits = said.limits.model_copy(update={"caption": dice.randint(60, 130)})
    history = said.history.model_copy(update={"titles": dice.randint(2, 8), "genres": dice.randint(3, 10)})
    return said.model_copy(update={"limits": limits, "history": history, "people": people})


def written(name: str, said: Template, read: Page) -> Written:
    """A page in the words of the template `said`, which is one of this name or differs from it in its limits."""
    read = _left(said, read)
    text, _ = said.title_texts(_row(read.name, read.genres, read.cast, read.year, read.synopsis))
    facts = _facts(said, read)
    user = said.user.strip()
    before, _, last = user.rpartition("\n\n")
    filled = (user if "{" in last else before).format(
        history=_history(said, read),
        title=text,
        now=_now(said, read),
        earlier=_earlier(said, read),
        candidates="\n".join(
            said.candidate.line.format(letter=shown.letter, description=_candidate(said, read, shown, each))
            for shown, each in zip(read.candidates, facts, strict=True)
        ),
    )
    return Written(name, read, said.system.strip(), filled, _told(said, read, facts))


def _told(said: Template, read: Page, facts: list[dict[str, str | None]]) -> frozenset[str]:
    """What the text says, in the words of `ranker_questions`."""
    told = {"name", "genres", "recent", "caption", *_IN_CAPTION}
    if said.candidate.brief:
        told |= {"titled"}
        texts = [" ".join(filter(None, each.values())) for each in facts]
        if not all(shown.traits["setting"] in text for shown, text in zip(read.candidates, texts, strict=True)):
            told.remove("setting")  # it was cut off, and is the same everywhere
    else:
        told |= {"people", "words"}
    return frozenset(
        told
        | ({"year"} if said.title.year else set())
        | ({"cast"} if said.title.cast else set())
        | ({"genres of watched"} if said.history.title.genres else set())
        | ({"plays"} if said.history.all_genres else set())
        | ({"members_people"} if said.people else set())
        | ({"depicts", "seen"} if said.candidate.depicts else set())
        | ({"played"} if _counts_genres(said, read) else set())
        | ({"earlier"} if said.earlier else set())
        | ({"now"} if said.now and read.now else set())
    )


def _left(said: Template, read: Page) -> Page:
    """The page without what is not said of it."""
    people, earlier = said.people, said.earlier
    candidates = read.candidates
    if people:
        candidates = tuple(_depicting(shown, shown.depicts[: people.depicts]) for shown in candidates)
        watched = tuple(replace(each, cast=each.cast[: people.cast]) for each in read.watched)
        read = replace(read, watched=watched, cast=read.cast[: people.cast], people=read.people[: people.most])
    if said.candidate.brief:
        candidates = tuple(_cut(said, shown) for shown in _apart(candidates))
    if earlier:
        lately = sorted((shown for shown in candidates if shown.before), key=lambda shown: shown.days)
        kept = {shown.letter for shown in lately[: earlier.artworks]}
        candidates = tuple(
            shown if shown.letter in kept else replace(shown, before=0, days=0, played=False) for shown in candidates
        )
    return replace(
        read,
        plays=read.plays[: said.history.genres],
        watched=read.watched[: said.history.titles or said.history.recent],
        candidates=candidates,
        now=_where_and_when(said, read.now),
    )


def _apart(candidates: tuple[Shown, ...]) -> tuple[Shown, ...]:
    """The candidates without what is the same on all of them: words, and who is on them."""
    if len({shown.traits.get("words") for shown in candidates}) == 1:
        candidates = tuple(replace(shown, traits=_without(shown.traits, "words")) for shown in candidates)
    if len({shown.depicts for shown in candidates}) == 1:
        candidates = tuple(_depicting(shown, ()) for shown in candidates)
    return candidates


def _counts_genres(said: Template, read: Page) -> bool:
    """Whether the plays of its genre stand beside each artwork: where they differ in it."""
    return said.candidate.genre is not None and len({shown.scene.theme for shown in read.candidates}) > 1


def _depicting(shown: Shown, names: tuple[str, ...]) -> Shown:
    told = {"depicts": ", ".join(names)} if names else {}
    return replace(shown, depicts=names, traits={**_without(shown.traits, "depicts"), **told})


def _without(traits: dict[str, str], trait: str) -> dict[str, str]:
    return {name: value for name, value in traits.items() if name != trait}


def _cut(said: Template, shown: Shown) -> Shown:
    """The candidate as the beginning of its caption tells it."""
    scene = shown.scene
    caption = template.beginning(shown.traits["caption"], said.limits.caption)
    left = replace(
        scene,
        props=tuple(prop for prop in scene.props if _says(caption, prop)),
        people=tuple(role for role in scene.people if _says(caption, role, PLURALS.get(role, f"{role}s"))),
    )
    return replace(shown, scene=left, traits={**shown.traits, "caption": caption})


def _says(text: str, *spellings: str) -> bool:
    return any(re.search(rf"\b{re.escape(each)}\b", text) for each in spellings)


def _row(name: str, genres: tuple[str, ...], cast: tuple[str, ...], year: int | None, synopsis: str) -> dict[str, Any]:
    return {"name": name, "genres": list(genres), "cast": list(cast), "year": year, "synopsis": synopsis}


def _history(said: Template, read: Page) -> str:
    history, people = said.history, said.people
    often = dict(read.people)
    lines = []
    for each in read.watched:
        _, label = said.title_texts(_row(each.name, each.genres, each.cast, None, ""))
        known = [name for name in each.cast if name in often][: people.in_line] if people else []
        if people and known:
            label += people.in_history.format(names=_names(said, known))
        lines.append(history.line.format(title=label, what=_did(said, each), ago=_ago(said, each.hours)))
    if history.all_genres and read.plays:
        counts = ", ".join(history.count.format(genre=genre, plays=plays) for genre, plays in read.plays)
        lines.append(history.older.format(counts=counts))
    if people and read.people:
        counts = people.between.join(people.count.format(name=name, plays=plays) for name, plays in read.people)
        lines.append(people.line.format(counts=counts))
    return "\n".join(lines) or history.none


def _names(said: Template, names: list[str]) -> str:
    people = said.people
    return people.between.join(people.each.format(name=name) for name in names) if people else ""


def _did(said: Template, each: Watched) -> str:
    what = said.history.what
    if each.event != "play":
        return str(getattr(what, each.event))
    if each.times > 1 and what.plays:
        return what.plays.format(times=each.times, minutes=each.minutes)
    if what.broken_off and each.minutes < (what.broken_off_below or 0):
        return what.broken_off.format(minutes=each.minutes)
    return what.play.format(minutes=each.minutes)


def _ago(said: Template, hours: int) -> str:
    ago = said.history.ago
    if hours < 1:
        return ago.now
    if hours < 48:
        return ago.hours.format(count=hours)
    if hours >= 60 * 24:
        return ago.months.format(count=hours // (30 * 24))
    if ago.weeks and hours >= 14 * 24:
        return ago.weeks.format(count=hours // (7 * 24))
    return ago.days.format(count=hours // 24)


_PARTS = (("night", 23), ("evening", 18), ("afternoon", 12), ("morning", 5), ("night", 0))


def _where_and_when(said: Template, now: dict[str, str]) -> dict[str, str]:
    """Countries and languages by their names; where the template has no clock, the part of the day, and whose it is."""
    if said.now is None or not now:
        return {}
    named = {kind: places.name(kind, now[kind]) for kind in ("country", "language")}
    if "{clock}" in (said.now.time or ""):
        return now | named
    hour = int(now["time"][:2])
    part = next(name for name, first in _PARTS if hour >= first)
    day = WEEKDAYS[WEEKDAYS.index(now["day"]) - (hour < _PARTS[-2][1])]  # a night is that of the day on which it began
    return now | named | {"day": day, "time": part}


def _now(said: Template, read: Page) -> str:
    now = said.now
    if now is None or not read.now:
        return ""
    day, hour = read.now["day"], read.now["time"]
    time = (now.time or "").format(weekday=day, day=day, clock=hour, part=hour)
    places_said = [
        (getattr(now, kind) or "").format(value=read.now[kind]) for kind in ("device", "country", "language")
    ]
    return now.section.format(now=now.between.join(filter(None, (time, *places_said))))


def _earlier(said: Template, read: Page) -> str:
    earlier = said.earlier
    if earlier is None:
        return ""
    lines = [
        earlier.event.format(what=_did(said, Watched("", (), (), event, 1, minutes, hours)), ago=_ago(said, hours))
        for event, minutes, hours in read.own[: earlier.events]
    ]
    for shown in sorted((shown for shown in read.candidates if shown.before), key=lambda shown: shown.days):
        outcome = earlier.played if shown.played else earlier.not_played
        pattern = earlier.shown_once if shown.before == 1 else earlier.shown
        ago = _ago(said, 24 * shown.days)
        lines.append(pattern.format(letter=shown.letter, times=shown.before, ago=ago, outcome=outcome, before=""))
    return earlier.section.format(lines=earlier.between.join(lines)) if lines else ""


def _facts(said: Template, read: Page) -> list[dict[str, str | None]]:
    """What is said of each candidate's picture, by name."""
    facts = []
    for shown in read.candidates:
        lettering = shown.traits.get("words")
        # The template cuts the caption itself, to the same.
        row = describe(shown.scene) | {"caption": shown.traits["caption"], "text_on_artwork": lettering}
        each = said.candidate_facts(row | {"people": shown.traits["people"]})
        if said.candidate.titled and lettering and _letters(lettering) == _letters(read.name):
            each["text_on_artwork"] = said.candidate.titled
        facts.append(each)
    if said.candidate.brief:
        for name in ("mood", "setting"):
            if len({each[name] for each in facts}) == 1:
                facts = [{**each, name: None} for each in facts]
    return facts


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


def _candidate(said: Template, read: Page, shown: Shown, facts: dict[str, str | None]) -> str:
    people, parts = said.people, [said.facts_text(facts)]
    if said.candidate.genre and _counts_genres(said, read):
        genre = shown.scene.theme
        parts.append(said.candidate.genre.format(genre=genre, plays=read.played.get(genre, 0)))
    if people and said.candidate.depicts and shown.depicts:
        seen = read.seen
        who = [
            people.watched.format(name=name, plays=seen[name]) if name in seen else people.each.format(name=name)
            for name in shown.depicts
        ]
        parts.append(said.candidate.depicts.format(value=people.between.join(who)))
    return said.candidate.between.join(filter(None, parts)) or said.candidate.missing
