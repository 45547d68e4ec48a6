"""The prompts once more, as plainly as they can be written: a loop over impressions, lists and sorts.

What is asked about, and what becomes no prompt, is here; the words are in `slow_words`.
"""

import hashlib
from collections import Counter
from zoneinfo import ZoneInfo

from . import worlds
from .slow_words import LETTERS, Words, microseconds

NOTHING = ["", "-", "?", "null", "(null)", r"\n", "none", "nil", "nan", "n/a", "undefined", "unknown", "(unknown)"]
NOTHING += ["not set", "(not set)"]


def logged(world, missing="placeholder", seed=0, unknown="skip", before=None, template="multiple-choice-v1"):
    """(impression_id -> dict of prompt columns, reason -> count). `before` has the impressions with a prompt, by id."""
    words = Words(world, template)
    found, reasons, seen, known = {}, Counter(), set(), dict(before or {})
    for row in sorted(world.impression, key=_order):
        reason = "duplicate_id" if row["impression_id"] in seen else _wrong(row, world)
        seen.add(row["impression_id"])
        if reason is None and row["impression_id"] in (before or {}):
            if _is(row) == _is(before[row["impression_id"]]):
                found[row["impression_id"]] = {"reward": row["reward"]}
                known[row["impression_id"]] = row
                continue
            reason = "changed_impression"
        if reason is None:
            reason, states = _states(world, words, row, missing, unknown)
        if reason is None:
            known[row["impression_id"]] = row
            found[row["impression_id"]] = (row, states)
        else:
            reasons[reason] += 1
    for key, (row, states) in [(key, each) for key, each in found.items() if isinstance(each, tuple)]:
        prompt = _prompt(words, row, key, states, seed, known.values())
        said = {"reward": row["reward"], "propensity": row["propensity"], "propensities": None}
        if row.get("propensities") is not None:
            said["propensities"] = [_share(row, name) for name in prompt["artwork_ids"]]
        found[key] = prompt | said
    return found, reasons


def nightly(world, moment, missing="placeholder", seed=0, logged=(), kept=(), template="multiple-choice-v1"):
    """((member_id, title_id) -> dict of prompt columns, reason -> count).

    `logged` has the impressions of the log that is given, and `kept` those in the store.
    """
    words = Words(world, template)
    known = {row["impression_id"]: row for row in kept}
    told = [(row, False) for row in known.values()] + [(row, True) for row in logged]
    usable = [row for row in logged if row["impression_id"] and row["member_id"] and 0 <= row["reward"] <= 1]
    usable = [row for row in usable if row["candidates"] and row["artwork_id"] in row["candidates"] and row["at"]]
    for row in sorted(usable, key=_order, reverse=True):
        known[row["impression_id"]] = row
    found, reasons, seen = {}, Counter(), set()
    order = ("language", "max_maturity", "device", "country", "time_zone")
    for pair in sorted(world.pair, key=lambda pair: [_nulls_last(pair.get(name)) for name in order]):
        member, title_id = pair["member_id"], pair["title_id"]
        pair = pair | _said(told, pair, moment)
        names = sorted({a["artwork_id"] for a in world.artwork if a["title_id"] == title_id})
        states = {name: _state(world, name, moment) for name in names}
        names = [
            name
            for name, state in states.items()
            if state and _speaks(state.get("locale"), pair.get("language")) and _suits(state, pair)
        ]
        row = pair | {"at": moment, "artwork_id": None, "candidates": names}
        reason, states = None, None
        if (member, title_id) in seen:
            reason = "duplicate_id"
        elif (pair.get("max_maturity") or 0) < 0:  # where there is no other, that of an impression too
            reason = "bad_max_maturity"
        elif title_id not in {title["title_id"] for title in world.title}:
            reason = "unknown_title"
        else:
            key = f"{len(member)}:{member}:{title_id}:{microseconds(moment)}"
            reason, states = _states(world, words, row, missing)
        seen.add((member, title_id))
        if reason is None:
            found[member, title_id] = _prompt(words, row, key, states, seed, known.values())
        else:
            reasons[reason] += 1
    return found, reasons


def _is(row):
    """Which impression it is, whatever came of it."""
    return row["member_id"], row["title_id"], row["artwork_id"], sorted(set(row["candidates"])), row["at"]


def _nulls_last(value):
    return value is None, 0 if value is None else value


def _blank(value):
    return value is None or (value < 0 if isinstance(value, int) else value.strip().lower() in NOTHING)


def _said(told, pair, moment):
    """What the member's impressions say of what the pair does not; `told` has them, and whether a log has them."""
    member = pair["member_id"]
    before = [each for each in told if each[0]["member_id"] == member and each[0]["at"] and each[0]["at"] < moment]
    before.sort(key=lambda each: (each[0]["at"], each[1], each[0]["impression_id"]), reverse=True)
    before = [row for row, _ in before]
    found = {}
    for name in ("language", "country", "time_zone"):
        if _blank(pair.get(name)):
            said = [row[name] for row in before if not _blank(row.get(name))]
            found[name] = next((each for each in said if name != "time_zone" or worlds.ZONES.get(each)), None)
    if pair.get("max_maturity") is None:
        limits = [(row["at"], row["max_maturity"]) for row in before if row.get("max_maturity") is not None]
        known = [(at, -limit) for at, limit in limits if limit >= 0]
        found["max_maturity"] = -max(known)[1] if known else -1 if limits else None
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
    names = ("device", "country", "language", "time_zone")
    given = {name: None if _blank(row.get(name)) else row[name].strip() for name in names}
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


def _states(world, words, row, missing, unknown=None):
    """Reason, or what the catalogue said of each candidate: None of one that was not on offer.

    `unknown` is what becomes of candidates that were not on offer; None passes them over.
    """
    states, unsuitable = {}, set()
    for name in set(row["candidates"]):
        state = _state(world, name, row["at"])
        if state is not None and state["title_id"] == row["title_id"]:
            if _suits(state, row):
                states[name] = state
            else:
                unsuitable.add(name)
    shown = row["artwork_id"]
    if shown in unsuitable:
        return "unsuitable_shown", None
    not_offered = set() if unknown is None else set(row["candidates"]) - set(states)
    if len(states) + len(not_offered) < 2:
        return "few_candidates", None
    if not_offered and unknown == "skip":
        return ("unsuitable_candidate" if not_offered == unsuitable else "unknown_candidate"), None
    with_words = {name: state for name, state in states.items() if words.look(state)}
    if not with_words or (missing == "skip" and len(with_words) < len(states)):
        return "no_description", None
    if missing == "drop":
        if len(with_words) + len(not_offered) < 2 or (shown in states and shown not in with_words):
            return "no_description", None
        states = with_words
    states |= dict.fromkeys(not_offered)
    return ("too_many_candidates", None) if len(states) > len(LETTERS) else (None, states)


def _prompt(words, row, key, states, seed, impressions):
    shown, said = row["artwork_id"], _circumstances(row)
    order = sorted(states, key=lambda name: hashlib.md5(f"{seed}|{key}|{name}".encode()).hexdigest())
    clock = row["at"].astimezone(ZoneInfo(said["time_zone"])) if said["time_zone"] else None
    asked = row | said | {"clock": clock}
    system, user = words.messages(asked, {name: states[name] for name in order}, impressions)
    return {
        "artwork_ids": order,
        "answer": LETTERS[order.index(shown)] if shown else None,
        **said,
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
    if not valid:
        return None
    later = [a for a in states if a["image_sha256"] == state["image_sha256"] and a["seen_at"] >= state["seen_at"]]
    told = {fact: [a[fact] for a in later if a.get(fact) is not None] for fact in ("depicts", "maturity")}
    return state | {fact: values[0] if values else None for fact, values in told.items()}
