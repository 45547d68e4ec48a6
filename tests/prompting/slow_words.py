"""The words of a prompt once more, by any template, as plainly as they can be written: each thing said in one place."""

import re
import tomllib
from collections import Counter
from datetime import timedelta
from pathlib import Path

import featurize.prompting
from featurize.prompting import places
from featurize.prompting.text import clean, word

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KINDS = ["play", "thumbs_up", "thumbs_down", "list_add"]
TEMPLATES = Path(featurize.prompting.__file__).parent / "templates"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Words:
    """What a template says in a world."""

    def __init__(self, world, template):
        self.world = world
        self.words = tomllib.loads((TEMPLATES / f"{template}.toml").read_text(encoding="utf-8"))
        self.titles = {title["title_id"]: title for title in world.title}
        self.order = sorted(self.titles)
        limit = self.words.get("people", {}).get("name")
        casts = [word(name, limit) for title in world.title for name in title.get("cast") or []] if limit else []
        self.in_casts = Counter(name for name in casts if name)

    def messages(self, row, states, impressions):
        """System and user message. `states` has the candidates in their order; None for one that is unknown."""
        past = self._past(row["member_id"], row["at"])
        met = Counter(name for _, title, kind, _ in past if KINDS[kind] == "play" for name in self._cast(title))
        title = self.titles[row["title_id"]]
        candidates = [
            self.words["candidate"]["line"].format(
                letter=letter, description=text or self.words["candidate"]["missing"]
            )
            for letter, text in zip(LETTERS, self._candidates(states, title, met, past), strict=False)
        ]
        user = (
            self.words["user"]
            .strip()
            .format(
                history=self._history(past, met, row["at"]),
                title=self._title(title, self.words["title"]),
                now=self._now(row),
                earlier=self._earlier(row, past, list(states), impressions),
                candidates="\n".join(candidates),
            )
        )
        return self.words["system"].strip(), user

    def _candidates(self, states, title, met, past):
        """A text for each; empty where nothing is known."""
        words, brief = self.words["candidate"], self.words["candidate"].get("brief")
        facts = [self._facts(state) for state in states.values()]
        whole = [words["between"].join(each.values()) for each in facts]
        people = [self._names(state.get("depicts"), "depicts") if state else [] for state in states.values()]
        same_people = brief and all(people) and all(each == people[0] for each in people)
        genres = [self._genre(state) for state in states.values()]
        same_genre = brief and len(set(genres)) == 1
        played = self._plays(past)
        if brief:
            for each, state in zip(facts, states.values(), strict=True):
                letters = state and plain(self._described(state).get("text_on_artwork"))
                if "text_on_artwork" in each and letters and letters == plain(title["name"]) and "titled" in words:
                    each["text_on_artwork"] = words["titled"]
            for name in ("mood", "setting", "people", "composition", "text_on_artwork"):
                if all(name in each and each[name] == facts[0][name] for each in facts):
                    for each in facts:
                        del each[name]
        texts = []
        for each, full, names, genre in zip(facts, whole, people, genres, strict=True):
            said = [words["between"].join(each.values()) or full]
            if genre and not same_genre and "genre" in words:
                said.append(words["genre"].format(genre=genre, plays=played[genre]))
            if names and not same_people and "depicts" in words:
                value = self._people_between(self._person(name, met) for name in names)
                said.append(words["depicts"].format(value=value))
            texts.append(words["between"].join(filter(None, said)))
        return texts

    def _genre(self, state):
        """That of titles which the tag of a picture names."""
        tag = word(self._tags(state).get("genre"), self.words["limits"]["genre"]) if state else ""
        known = {genre.casefold(): genre for title in self.world.title for genre in self._genres(title)}
        return known.get(tag.casefold())

    def _plays(self, past):
        """Of each genre, by the events that the template counts."""
        words, plays = self.words["history"], Counter()
        for _, title, kind, _ in past if words.get("all_genres") else past[words["recent"] :]:
            if KINDS[kind] == "play":
                plays.update(self._genres(self.titles[self.order[title]]))
        return plays

    def _people_between(self, names):
        return self.words["people"]["between"].join(names)

    def _person(self, name, met):
        words = self.words["people"]
        return words["watched"].format(name=name, plays=met[name]) if met[name] else words["each"].format(name=name)

    def look(self, state):
        """What is said of a picture; empty for nothing."""
        return self.words["candidate"]["between"].join(self._facts(state).values())

    def _described(self, state):
        rows = [d for d in self.world.description if d["image_sha256"] == state["image_sha256"]]
        worth = ["ok", "invalid_fields"]
        rows.sort(key=lambda d: (worth.index(d["status"]) if d["status"] in worth else 2, d["computed_at"]))
        return rows[0] if rows else {}

    def _tags(self, state):
        """The likeliest label of each attribute."""
        tags = {}
        for tag in self.world.image_tag:
            if tag["image_sha256"] == state["image_sha256"]:
                best = tags.get(tag["attribute"], (0, ""))
                tags[tag["attribute"]] = max(best, (tag["probability"], tag["label"]))
        return {attribute: label for attribute, (_, label) in tags.items()}

    def _facts(self, state):
        """The facts that have words, by name and in their order."""
        if state is None:
            return {}
        row, tags = self._described(state), self._tags(state)
        limits, words = self.words["limits"], self.words["candidate"]
        people = row.get("people_count")
        values = {
            "caption": clean(row.get("caption"), limits["caption"]),
            "mood": clean(row.get("mood") or tags.get("mood"), limits["detail"]),
            "setting": clean(row.get("setting") or tags.get("setting"), limits["detail"]),
            "people": word(tags.get("people") if people is None else str(people), limits["detail"]),
            "composition": clean(row.get("composition") or tags.get("shot"), limits["detail"]),
            "text_on_artwork": clean(row.get("text_on_artwork"), limits["detail"]),
        }
        if words.get("brief") and values["caption"]:
            caption = values["caption"] = beginning(clean(row["caption"], 2000), limits["caption"])
            for name in ("mood", "setting"):
                parts = [part for part in values[name].split(", ") if part.casefold() not in caption.casefold()]
                values[name] = ", ".join(parts)
            values["people"] = values["composition"] = ""
        return {name: words[name].format(value=value) for name, value in values.items() if value and name in words}

    def _genres(self, title):
        limits = self.words["limits"]
        names = [word(name, limits["genre"]) for name in title["genres"] or []]
        return list(dict.fromkeys(name for name in names if name))[: limits["genres"]]

    def _names(self, given, limit):
        words = self.words.get("people")
        names = [word(name, words["name"]) for name in given or []] if words else []
        if limit == "written":
            return list(dict.fromkeys(name for name in names if name))[: words["cast"]] if words else []
        return list(dict.fromkeys(self._usual(name) for name in names if name))[: words[limit]] if words else []

    def _usual(self, name):
        """As most casts write it, if any has it."""
        same = [other for other in self.in_casts if other.casefold() == name.casefold()]
        return min(same, key=lambda other: (-self.in_casts[other], other), default=name)

    def _cast(self, number):
        return self._names(self.titles[self.order[number]].get("cast"), "cast")

    def _title(self, title, words):
        cast = [self.words["people"]["each"].format(name=name) for name in self._names(title.get("cast"), "written")]
        values = [
            ("name", clean(title["name"], self.words["limits"]["name"]) or "?"),
            ("year", str(title["year"] or "")),
            ("genres", ", ".join(self._genres(title))),
            ("cast", self._people_between(cast) if cast else ""),
            ("synopsis", clean(title["synopsis"], self.words["limits"]["synopsis"])),
        ]
        return words["between"].join(
            words[name].format(value=value) for name, value in values if value and name in words
        )

    def _past(self, member, at):
        """(at, title, kind, minutes) of the events before a moment, the newest first; titles and kinds by number."""
        past = [
            (e["at"], self.order.index(e["title_id"]), KINDS.index(e["event"]), _minutes(e))
            for e in self.world.history
            if e["member_id"] == member and e["at"] < at and e["title_id"] in self.titles and e["event"] in KINDS
        ]
        most = {}
        for at_, title, kind, minutes in past:  # rows of one key are one event, with the most minutes told of it
            known = [each for each in (minutes, most.get((at_, title, kind))) if each is not None]
            most[at_, title, kind] = max(known, default=None)
        past = [(*key, minutes) for key, minutes in most.items()]
        return sorted(past, key=lambda e: (*e[:3], e[3] is None, e[3]), reverse=True)

    def _history(self, past, met, at):
        words = self.words["history"]
        often = self._often(met)
        said = []
        recent = [(*e[:3], self._until(e, at)) for e in past[: words["recent"]]]  # minutes, and whether it goes on
        if "titles" in words:
            for title in list(dict.fromkeys(e[1] for e in recent))[: words["titles"]]:
                events = [e for e in recent if e[1] == title]
                said.append((title, self._what_of_title(events), events[0][0]))
        else:
            said = [(title, self._what(kind, play), when) for when, title, kind, play in recent]
        lines = [
            words["line"].format(title=self._in_line(title, often), what=what, ago=self._ago(at - when))
            for title, what, when in said
        ]
        plays = self._plays(past)
        if plays:
            most = sorted(plays.items(), key=lambda item: (-item[1], item[0]))[: words["genres"]]
            counts = ", ".join(words["count"].format(genre=genre, plays=count) for genre, count in most)
            lines.append(words["older"].format(counts=counts))
        if often:
            people = self.words["people"]
            counts = self._people_between(people["count"].format(name=name, plays=met[name]) for name in often)
            lines.append(people["line"].format(counts=counts))
        return "\n".join(lines) or words["none"]

    def _often(self, met):
        words = self.words.get("people")
        if not words:
            return []
        names = [name for name, plays in met.items() if plays >= words["at_least"]]
        return sorted(names, key=lambda name: (-met[name], name))[: words["most"]]

    def _in_line(self, number, often):
        text = self._title(self.titles[self.order[number]], self.words["history"]["title"])
        names = [name for name in self._cast(number) if name in often]
        if names:
            words = self.words["people"]
            said = [words["each"].format(name=name) for name in names[: words["in_line"]]]
            text += words["in_history"].format(names=self._people_between(said))
        return text

    def _until(self, event, at):
        """Minutes of an event, None where they are not known, and whether it may have gone on after the moment."""
        minutes = event[3]
        if minutes is None or not self.words["history"].get("until_then"):
            return minutes, False
        lasted = (at - event[0]) // timedelta(minutes=1)
        return (lasted, True) if minutes >= lasted else (minutes, False)

    def _what(self, kind, play):
        words, (minutes, goes_on) = self.words["history"]["what"], play
        if KINDS[kind] != "play":
            return words[KINDS[kind]]
        if minutes is None:
            return words["play_unmeasured"]
        if goes_on and "play_so_far" in words:
            return words["play_so_far"].format(minutes=minutes) if minutes else words["play_begun"]
        if minutes == 0 and "play_at_once" in words:
            return words["play_at_once"]
        broken_off = "broken_off" in words and minutes < words["broken_off_below"]
        return words["broken_off" if broken_off else "play"].format(minutes=minutes)

    def _what_of_title(self, events):
        words, said = self.words["history"]["what"], []
        plays = [play for _, _, kind, play in events if KINDS[kind] == "play"]
        measured = [minutes for minutes, _ in plays if minutes is not None]
        if len(plays) == 1:
            said.append(self._what(0, plays[0]))
        elif plays:
            pattern = words["plays" if measured else "plays_unmeasured"]
            said.append(pattern.format(times=len(plays), minutes=sum(measured)))
        thumbs = [kind for _, _, kind, _ in events if KINDS[kind].startswith("thumbs")]
        said += [words[KINDS[thumbs[0]]]] if thumbs else []
        said += [words["list_add"]] if any(KINDS[kind] == "list_add" for _, _, kind, _ in events) else []
        return ", ".join(said)

    def _ago(self, age):
        words = self.words["history"]["ago"]
        hours = age // HOUR
        if hours < 1:
            return words["now"]
        if hours < 48:
            return words["hours"].format(count=hours)
        if hours >= 14 * 24 and hours < 60 * 24 and "weeks" in words:
            return words["weeks"].format(count=hours // (7 * 24))
        if hours < 60 * 24:
            return words["days"].format(count=hours // 24)
        return words["months"].format(count=hours // (30 * 24))

    def _now(self, row):
        words = self.words.get("now")
        if not words:
            return ""
        said = []
        if row["clock"]:
            hour = row["clock"].hour
            part = "morning" if 5 <= hour < 12 else "afternoon" if 12 <= hour < 18 else "evening"
            part = part if 5 <= hour < 23 else "night"
            night_before = row["clock"] - DAY if hour < 5 else row["clock"]
            named = {"weekday": f"{row['clock']:%A}", "day": f"{night_before:%A}", "clock": f"{row['clock']:%H:%M}"}
            said.append(words["time"].format(part=part, **named))
        for kind in ("device", "country", "language"):
            value = word(places.name(kind, (row.get(kind) or "").strip()), words["place"])
            said += [words[kind].format(value=value)] if value else []
        return words["section"].format(now=words["between"].join(said)) if said else ""

    def _earlier(self, row, past, candidates, impressions):
        words = self.words.get("earlier")
        if not words:
            return ""
        lines = []
        events = [e for e in past if self.order[e[1]] == row["title_id"]]
        for event in events[: words["events"]]:
            what = self._what(event[2], self._until(event, row["at"]))
            lines.append(words["event"].format(what=what, ago=self._ago(row["at"] - event[0])))
        shown = {}
        for other in impressions:
            recent = timedelta(0) < row["at"] - other["at"] <= words["days"] * DAY
            if recent and (other["member_id"], other["title_id"]) == (row["member_id"], row["title_id"]):
                shown.setdefault(other["artwork_id"], []).append(other)
        shown = [(max(each["at"] for each in rows), name, rows) for name, rows in shown.items() if name in candidates]
        shown.sort(key=lambda item: (-microseconds(item[0]), candidates.index(item[1])))
        for last, name, rows in shown[: words["artworks"]]:
            lines.append(
                words["shown_once" if len(rows) == 1 else "shown"].format(
                    letter=LETTERS[candidates.index(name)],
                    times=len(rows),
                    ago=self._ago(row["at"] - last),
                    **self._outcomes(rows, row["at"]),
                )
            )
        return words["section"].format(lines=words["between"].join(lines)) if lines else ""

    def _outcomes(self, rows, at):
        """What came of the last showing; and of an earlier one, where more came of it."""
        words = self.words["earlier"]
        told = [(each, *self._outcome(each, at)) for each in rows]
        last = max(told, key=lambda one: (one[0]["at"], *one[1:3]))
        best = max(told, key=lambda one: (one[1], one[0]["at"], one[2]))
        found = {"outcome": last[3], "before": ""}
        if best[1] > last[1] and "before" in words:
            found["before"] = words["before"].format(outcome=best[3], ago=self._ago(at - best[0]["at"]))
        return found

    def _outcome(self, row, at):
        """How much came of a showing, minutes where it was broken off, and the words."""
        words = self.words["earlier"]
        if at - row["at"] < words["known_after"] * HOUR:
            return 0, 0, ""
        if row["reward"] >= 0.5:
            return 3, 0, words["played"]
        minutes = int(_of_impression(row) or 0)
        if minutes >= 1:
            return 2, minutes, words["broken_off"].format(minutes=minutes)
        return 1, 0, words["not_played"]


def _minutes(row):
    minutes = row["minutes"]
    known = row["event"] == "play" and minutes is not None and 0 <= minutes < 1e6
    return int(minutes) if known else None


def _of_impression(row):
    minutes = row.get("minutes")
    return minutes if minutes is not None and 0 <= minutes < 1e6 else None


def beginning(text, limit):
    """Up to the first clause that ends after two fifths of `limit` characters; else as many whole words."""
    ends = [end.start() for end in re.finditer(r"[,;.](?= |$)", text) if limit * 2 // 5 <= end.start() <= limit]
    if ends:
        return text[: ends[0]]
    if len(text) <= limit:
        return text
    spaces = [at for at, letter in enumerate(text[: limit + 1]) if letter == " "]
    return text[: spaces[-1]] if spaces and spaces[-1] else text[:limit]


def plain(text):
    return re.sub(r"\W+", "", text or "").casefold()


def microseconds(moment):
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
