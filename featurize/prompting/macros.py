"""The patterns of a template as DuckDB macros, which the queries of the room call."""

from __future__ import annotations

import string

from pydantic import BaseModel

from featurize.inference.letters import LETTERS
from featurize.prompting.template import Template


def statements(template: Template) -> list[str]:
    """CREATE statements. What a template leaves out becomes NULL or an empty text, and leaves no trace in a prompt."""
    what, ago, history = template.history.what, template.history.ago, template.history
    people, now, earlier = template.people, template.now, template.earlier
    of_kind = " ".join(
        f"WHEN '{kind}' THEN {_sql(getattr(what, kind))}" for kind in ("thumbs_up", "thumbs_down", "list_add")
    )
    cases = (
        ("minutes IS NULL", what.play_unmeasured),
        ("going_on AND minutes < 1", what.play_begun),
        ("going_on", what.play_so_far),
        ("minutes < 1", what.play_at_once),
        (f"minutes < {what.broken_off_below}", what.broken_off),
    )
    one_play = "CASE {} ELSE {} END".format(
        " ".join(f"WHEN {case} THEN {_sql(pattern)}" for case, pattern in cases if pattern is not None),
        _sql(what.play),
    )
    weeks = f"WHEN hours < 60 * 24 AND hours >= 14 * 24 THEN {_sql(ago.weeks, count='hours // (7 * 24)')} "
    bodies = {
        "system_message()": _sql(template.system.strip()),
        "user_message(history, title, now, earlier, candidates)": _sql(template.user.strip()),
        "history_line(title, what, ago)": _sql(history.line),
        "what(kind, minutes, going_on)": f"CASE kind {of_kind} ELSE {one_play} END",
        "plays(times, minutes, going_on)": f"CASE WHEN times = 1 THEN {one_play} "
        f"WHEN minutes IS NULL THEN {_sql(what.plays_unmeasured)} ELSE {_sql(what.plays)} END",
        "ago(hours)": f"CASE WHEN hours < 1 THEN {_sql(ago.now)} "
        f"WHEN hours < 48 THEN {_sql(ago.hours, count='hours')} "
        f"{weeks if ago.weeks else ''}"
        f"WHEN hours < 60 * 24 THEN {_sql(ago.days, count='hours // 24')} "
        f"ELSE {_sql(ago.months, count='hours // (30 * 24)')} END",
        "older_line(counts)": _sql(history.older),
        "older_count(genre, plays)": _sql(history.count),
        "no_history()": _sql(history.none),
        "people_line(counts)": _in(people, "line"),
        "people_count(name, plays)": _in(people, "count"),
        "people_between()": _in(people, "between"),
        "person(name)": _in(people, "each"),
        "person_watched(name, plays)": _in(people, "watched"),
        "in_history(names)": _in(people, "in_history"),
        "candidate_line(letter, description)": _sql(template.candidate.line),
        "candidate_between()": _sql(template.candidate.between),
        "candidate_genre(genre, plays)": _sql(template.candidate.genre),
        "candidate_depicts(value)": _sql(template.candidate.depicts),
        "candidate_titled()": _sql(template.candidate.titled),
        "not_described()": _sql(template.candidate.missing),
        "now_section(now)": _in(now, "section"),
        "now_between()": _in(now, "between"),
        "local_time(zone, moment)": _in(
            now,
            "time",
            weekday="strftime(timezone(zone, moment), '%A')",
            day="strftime(timezone(zone, moment) - INTERVAL 5 HOUR, '%A')",
            clock="strftime(timezone(zone, moment), '%H:%M')",
            part="CASE WHEN hour(timezone(zone, moment)) BETWEEN 5 AND 11 THEN 'morning' "
            "WHEN hour(timezone(zone, moment)) BETWEEN 12 AND 17 THEN 'afternoon' "
            "WHEN hour(timezone(zone, moment)) BETWEEN 18 AND 22 THEN 'evening' ELSE 'night' END",
        ),
        "earlier_section(lines)": _in(earlier, "section"),
        "earlier_between()": _in(earlier, "between"),
        "earlier_event_line(what, ago)": _in(earlier, "event"),
        "earlier_shown_line(letter, times, ago, outcome, before)": f"CASE WHEN times = 1 "
        f"THEN {_in(earlier, 'shown_once')} ELSE {_in(earlier, 'shown')} END",
        "earlier_before(outcome, ago)": _in(earlier, "before"),
        "outcome(outcome, minutes)": f"CASE outcome WHEN 3 THEN {_in(earlier, 'played')} "
        f"WHEN 2 THEN {_in(earlier, 'broken_off')} "
        f"WHEN 1 THEN {_in(earlier, 'not_played')} ELSE '' END",
        "letter(place)": f"substr('{LETTERS}', place, 1)",
    }
    return [f"CREATE OR REPLACE TEMP MACRO {head} AS {body}" for head, body in bodies.items()]


def _in(section: BaseModel | None, key: str, **expressions: str) -> str:
    """The same of a section that may be left out."""
    return _sql(getattr(section, key, None), **expressions)


def _sql(pattern: str | None, **expressions: str) -> str:
    """A pattern as an SQL expression; a placeholder stands for the column or parameter of its name."""
    if pattern is None:
        return "NULL::VARCHAR"
    pieces = []
    for literal, name, *_ in string.Formatter().parse(pattern):
        if literal:
            pieces.append("'" + literal.replace("'", "''") + "'")
        if name:
            pieces.append(expressions.get(name, name))
    return f"concat({', '.join(pieces)})" if pieces else "''"
