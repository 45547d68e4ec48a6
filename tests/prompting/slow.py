"""The prompts once more, as plainly as they can be written: a loop over impressions, lists and sorts."""

import hashlib
import tomllib
from collections import Counter
from pathlib import Path

import featurize.prompting
from featurize.prompting.text import clean, word

from . import worlds

WORDS = tomllib.loads(
    (Path(featurize.prompting.__file__).parent / "templates" / "multiple-choice-v1.toml").read_text(encoding="utf-8")
)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KINDS = ["play", "thumbs_up", "thumbs_down", "list_add"]


def logged(world, missing="placeholder", seed=0, unknown="skip", before=None):
    """(impression_id -> dict of prompt columns, reason -> count). `before` has the impressions with a prompt, by id."""
    found, reasons, seen = {}, Counter(), set()
    for row in sorted(world.impression, key=_order):
        reason = "duplicate_id" if row["impression_id"] in seen else _wrong(row, world)
        seen.add(row["impression_id"])
        if reason is None and row["impression_id"] in (before or {}):
            if _is(row) == _is(before[row["impression_id"]]):
                found[row["impression_id"]] = {"reward": row["reward"]}
                continue
            reason = "changed_impression"
        if reason is None:
            reason, prompt = _prompt(world, row, row["impression_id"], missing, seed, unknown)
        if reason is None:
            said = {"reward": row["reward"], "propensity": row["propensity"], "propensities": None}
            if row.get("propensities") is not None:
                said["propensities"] = [_share(row, name) for name in prompt["artwork_ids"]]
            found[row["impression_id"]] = prompt | said
        else:
            reasons[reason] += 1
    return found, reasons


def nightly(world, moment, missing="placeholder", seed=0, logged=()):
    """((member_id, title_id) -> dict of prompt columns, reason -> count). `logged` has the impressions."""
    found, reasons, seen = {}, Counter(), set()
    order = ("language", "max_maturity", "device", "country", "time_zone")
    for pair in sorted(world.pair, key=lambda pair: [_nulls_last(pair.get(name)) for name in order]):
        member, title_id = pair["member_id"], pair["title_id"]
        pair = pair | _said(logged, pair, moment)
        names = sorted({a["artwork_id"] for a in world.artwork if a["title_id"] == title_id})
        states = {name: _state(world, name, moment) for name in names}
        names = [
            name
            for name, state in states.items()
            if state and _speaks(state.get("locale"), pair.get("language")) and _suits(state, pair)
        ]
        row = pair | {"at": moment, "artwork_id": None, "candidates": names}
        reason, prompt = None, None
        if (member, title_id) in seen:
            reason = "duplicate_id"
        elif (pair.get("max_maturity") or 0) < 0:
            reason = "bad_max_maturity"
        elif title_id not in {title["title_id"] for title in world.title}:
            reason = "unknown_title"
        else:
            key = f"{len(member)}:{member}:{title_id}:{_microseconds(moment)}"
            reason, prompt = _prompt(world, row, key, missing, seed)
        seen.add((member, title_id))
        if reason is None:
            found[member, title_id] = prompt
        else:
            reasons[reason] += 1
    return found, reasons


def _is(row):
    """Which impression it is, whatever came of it."""
    return row["member_id"], row["title_id"], row["artwork_id"], sorted(set(row["candidates"])), row["at"]


def _nulls_last(value):
    return value is None, 0 if value is None else value


def _blank(value):
    return value is None or (value < 0 if isinstance(value, int) else not value.strip())


def _said(logged, pair, moment):
    """What the member's impressions say of what the pair does not."""
    before = [row for row in logged if row["member_id"] == pair["member_id"] and row["at"] and row["at"] < moment]
    before.sort(key=lambda row: (row["at"], row["impression_id"]))
    found = {}
    for name in ("language", "country", "time_zone", "max_maturity"):
        if pair.get(name) is None or (_blank(pair[name]) and name != "max_maturity"):
            found[name] = next((row[name] for row in reversed(before) if not _blank(row.get(name))), None)
    return found


def _suits(state, row):
    return None in (state.get("maturity"), row.get("max_maturity")) or state["maturity"] <= row["max_maturity"]


def _share(row, artwork_id):
    return sum(p for name, p in zip(row["candidates"], row["propensities"], strict=True) if name == artwork_id)


def _bad_propensities(row):
    shares, count = row["propensities"], len(row["candidates"])
    if len(shares) != count or min(shares) < 0 or max(shares) > 1 or abs(sum(shares) - 1) > 0.0005 * count + 1e-9:
        return True
    return abs(_share(row, row["artwork_id"]) - row["propensity"]) > 0.001 + 1e-9


def _circumstances(row):
    given = {name: (row.get(name) or "").strip() or None for name in ("device", "country", "language", "time_zone")}
    return given | {"time_zone": worlds.ZONES.get(given["time_zone"])}


def _order(row):
    at = (row["at"] is None, row["at"] and row["at"].timestamp())
    bad = row["propensity"] != row["propensity"]
    return row["impression_id"], at, row["member_id"], row["title_id"], row["artwork_id"], bad, row["propensity"]


def _wrong(row, world):
    shares = row.get("propensities")
    if row["propensity"] != row["propensity"]:
        return "bad_propensity"
    if shares is not None and any(share is None or share != share for share in shares):
        return "bad_propensities"
    required = ("impression_id", "member_id", "title_id", "artwork_id", "at", "candidates")
    if any(row[name] in (None, "") for name in required):
        return "incomplete"
    if not 0 < row["propensity"] <= 1:
        return "bad_propensity"
    if not 0 <= row["reward"] <= 1:
        return "bad_reward"
    if (row.get("max_maturity") or 0) < 0:
        return "bad_max_maturity"
    if row["title_id"] not in {title["title_id"] for title in world.title}:
        return "unknown_title"
    if row["artwork_id"] not in row["candidates"]:
        return "shown_not_candidate"
    return "bad_propensities" if shares is not None and _bad_propensities(row) else None


def _prompt(world, row, key, missing, seed, unknown=None):
    """`unknown` is what becomes of candidates that were not on offer; None passes them over."""
    looks, unsuitable = {}, set()
    for name in set(row["candidates"]):
        state = _state(world, name, row["at"])
        if state is not None and state["title_id"] == row["title_id"]:
            if _suits(state, row):
                looks[name] = _look(world, state["image_sha256"])
            else:
                unsuitable.add(name)
    shown = row["artwork_id"]
    if shown in unsuitable:
        return "unsuitable_shown", None
    not_offered = set() if unknown is None else set(row["candidates"]) - set(looks)
    if len(looks) + len(not_offered) < 2:
        return "few_candidates", None
    if not_offered and unknown == "skip":
        return ("unsuitable_candidate" if not_offered == unsuitable else "unknown_candidate"), None
    with_words = {name: look for name, look in looks.items() if look}
    if not with_words or (missing == "skip" and len(with_words) < len(looks)):
        return "no_description", None
    if missing == "drop":
        if len(with_words) + len(not_offered) < 2 or (shown in looks and shown not in with_words):
            return "no_description", None
        looks = with_words
    looks |= dict.fromkeys(not_offered, "")
    if len(looks) > len(LETTERS):
        return "too_many_candidates", None
    order = sorted(looks, key=lambda name: hashlib.md5(f"{seed}|{key}|{name}".encode()).hexdigest())
    lines = [
        WORDS["candidate"]["line"].format(letter=letter, description=looks[name] or WORDS["candidate"]["missing"])
        for letter, name in zip(LETTERS, order, strict=False)
    ]
    title = next(title for title in world.title if title["title_id"] == row["title_id"])
    user = (
        WORDS["user"]
        .strip()
        .format(
            history=_history(world, row["member_id"], row["at"]),
            title=_title(title, WORDS["title"]),
            candidates="\n".join(lines),
        )
    )
    system = WORDS["system"].strip()
    return None, {
        "artwork_ids": order,
        "answer": LETTERS[order.index(shown)] if shown else None,
        **_circumstances(row),
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        "prompt": f"{system}\n\n{user}",
        "tokens": len(f"{system}\n\n{user}"),
    }


def _speaks(locale, language):
    one, other = ((said or "").lower().replace("_", "-").split("-") for said in (locale, language))
    shorter = min(len(one), len(other))
    return "" in (*one, *other) or one[:shorter] == other[:shorter]


def _state(world, artwork_id, at):
    """What the catalogue said of an artwork at a moment; None when it was not to be shown."""
    states = sorted((a for a in world.artwork if a["artwork_id"] == artwork_id), key=lambda a: a["seen_at"])
    if not states:
        return None
    state = [states[0], *(a for a in states[1:] if a["seen_at"] <= at)][-1]
    begins, ends = state.get("valid_from"), state.get("valid_to")
    valid = state["present"] and (begins is None or begins <= at) and (ends is None or at < ends)
    return state if valid else None


def _look(world, image_sha256):
    rows = [d for d in world.description if d["image_sha256"] == image_sha256]
    worth = ["ok", "invalid_fields"]
    rows.sort(key=lambda d: (worth.index(d["status"]) if d["status"] in worth else 2, d["computed_at"]))
    row = rows[0] if rows else {}
    tags = {}
    for tag in world.image_tag:
        if tag["image_sha256"] == image_sha256:
            best = tags.get(tag["attribute"], (0, ""))
            tags[tag["attribute"]] = max(best, (tag["probability"], tag["label"]))
    tags = {attribute: label for attribute, (_, label) in tags.items()}
    limits, words = WORDS["limits"], WORDS["candidate"]
    people = row.get("people_count")
    values = [
        ("caption", clean(row.get("caption"), limits["caption"])),
        ("mood", clean(row.get("mood") or tags.get("mood"), limits["detail"])),
        ("setting", clean(row.get("setting") or tags.get("setting"), limits["detail"])),
        ("people", word(tags.get("people") if people is None else str(people), limits["detail"])),
        ("composition", clean(row.get("composition") or tags.get("shot"), limits["detail"])),
        ("text_on_artwork", clean(row.get("text_on_artwork"), limits["detail"])),
    ]
    return words["between"].join(words[name].format(value=value) for name, value in values if value)


def _genres(title):
    limits = WORDS["limits"]
    names = [word(name, limits["genre"]) for name in title["genres"] or []]
    return list(dict.fromkeys(name for name in names if name))[: limits["genres"]]


def _title(title, words):
    values = [
        ("name", clean(title["name"], WORDS["limits"]["name"]) or "?"),
        ("year", str(title["year"] or "")),
        ("genres", ", ".join(_genres(title))),
        ("synopsis", clean(title["synopsis"], WORDS["limits"]["synopsis"])),
    ]
    return words["between"].join(words[name].format(value=value) for name, value in values if value and name in words)


def _history(world, member, at):
    words = WORDS["history"]
    titles = {title["title_id"]: title for title in world.title}
    order = sorted(titles)
    past = [
        (e["at"], order.index(e["title_id"]), KINDS.index(e["event"]), _minutes(e))
        for e in world.history
        if e["member_id"] == member and e["at"] < at and e["title_id"] in titles and e["event"] in KINDS
    ]
    most = {}
    for at_, title, kind, minutes in past:  # rows of one key are one event, with the most minutes told of it
        known = [each for each in (minutes, most.get((at_, title, kind))) if each is not None]
        most[at_, title, kind] = max(known, default=None)
    past = [(*key, minutes) for key, minutes in most.items()]
    past.sort(key=lambda e: (*e[:3], e[3] is None, e[3]), reverse=True)
    lines = [
        words["line"].format(
            title=_title(titles[order[title]], words["title"]), what=_what(kind, minutes), ago=_ago(at - when)
        )
        for when, title, kind, minutes in past[: words["recent"]]
    ]
    plays = Counter()
    for _, title, kind, _ in past[words["recent"] :]:
        if KINDS[kind] == "play":
            plays.update(_genres(titles[order[title]]))
    if plays:
        most = sorted(plays.items(), key=lambda item: (-item[1], item[0]))[: words["genres"]]
        counts = ", ".join(words["count"].format(genre=genre, plays=count) for genre, count in most)
        lines.append(words["older"].format(counts=counts))
    return "\n".join(lines) or words["none"]


def _minutes(row):
    minutes = row["minutes"]
    known = row["event"] == "play" and minutes is not None and 0 <= minutes < 1e6
    return int(minutes) if known else None


def _what(kind, minutes):
    words = WORDS["history"]["what"]
    if KINDS[kind] == "play":
        return words["play_unmeasured"] if minutes is None else words["play"].format(minutes=minutes)
    return words[KINDS[kind]]


def _ago(age):
    words = WORDS["history"]["ago"]
    hours = int(age.total_seconds() // 3600)
    if hours < 1:
        return words["now"]
    if hours < 48:
        return words["hours"].format(count=hours)
    if hours < 60 * 24:
        return words["days"].format(count=hours // 24)
    return words["months"].format(count=hours // (30 * 24))


def _microseconds(moment):
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
