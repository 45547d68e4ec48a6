"""What became of the rows that came in, and whether so much of them is lost that the run must end.

Invariant: every row of an input is used, not needed, or counted under a reason with an example of it; all of it is
counted before anything is committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import duckdb

from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.intake.inputs import EVENTS
from featurize.report import Report
from featurize.storage import tables
from featurize.storage.tables import sql

NAMED_EVENTS = 5
"""Unknown events that are counted by name; the others are counted together."""
TO_DO = {
    "incomplete": "fill in every column that is not optional",
    "bad_at": "write times with their zone, such as 2026-01-31T12:00:00Z",
    "bad_propensity": "a propensity is the probability with which the policy chose the artwork it showed, above 0 and"
    " at most 1, with a decimal point",
    "bad_propensities": "propensities are one number per candidate, in their order; they sum to 1, and that of the"
    " artwork shown is propensity, all within rounding to three decimals",
    "bad_max_maturity": "max_maturity is an age in whole years",
    "bad_time_zone": "a time zone is an IANA name, such as America/Sao_Paulo",
    "bad_reward": "a reward is a number from 0 to 1, with a decimal point",
    "bad_minutes": "minutes are a number from 0 on, with a decimal point",
    "bad_candidates": "give every candidate an id",
    "unknown_title": "give input.titles all titles by the same ids",
    "unknown_candidate": "say in the catalogue what was on offer then (valid_from, valid_to; an artwork whose file was"
    " never found is not in it), or show such candidates with prompts.unknown_candidate=placeholder",
    "unsuitable_shown": "what was shown is above max_maturity: either that or the catalogue's maturity is wrong",
    "unsuitable_candidate": "look at max_maturity and the catalogue's maturity, or show such candidates as not"
    " described with prompts.unknown_candidate=placeholder",
    "few_candidates": "a title of which only one artwork may be shown leaves nothing to choose",
    "no_description": "run `make featurize` for these artworks",
    "shown_not_candidate": "the artwork that was shown is one of the candidates",
    "too_many_candidates": "a prompt has 52 letters for them",
    "duplicate_id": "give every impression an id of its own",
    "changed_impression": "give every impression an id that no other one ever had, and tell it the same every time",
    "duplicate": "give every row of history once, with its time of day",
    "bad_time": "look at the clocks and time zones of what wrote them",
    "unknown_event": f"events are {', '.join(EVENTS)}",
}
"""By reason, what most likely helps."""
OF_PAIRS = {"duplicate_id": "give every member and title once"}
"""The same where it is another thing of pairs."""


class Accounts:
    """Counts the rows in `db` into a report, with examples, and keeps in mind which limits they break."""

    def __init__(self, db: duckdb.DuckDBPyConnection, settings: Settings, report: Report) -> None:
        self.db, self.wanted, self.report = db, settings.prompts, report
        self.logged = self.wanted.kind == "logged"
        self.asked = "impressions" if self.logged else "pairs"
        # Where members get pseudonyms, their ids are for no message and no table.
        self.names_members = self.wanted.member_key_env is None
        self._broken: list[str] = []
        self._repeated = 0

    def titles(self) -> None:
        """Errors: RefusedInput when titles, catalogue and what is asked about share no id at all."""
        asked = "SELECT title_id FROM asked WHERE title_id <> ''"
        shown = "SELECT unnest(candidates) FROM asked WHERE reason IS NULL"
        self._some(f"title ids of the {self.asked}", asked, "input.titles", "SELECT title_id FROM title")
        self._some(
            "title ids of input.titles", "SELECT title_id FROM title", "the catalogue", _IN_STORE.format("title")
        )
        if self.logged:
            self._some("candidates of the impressions", shown, "the catalogue", _IN_STORE.format("artwork"))

    def questions(self) -> None:
        """Count the rows of `asked` that become no prompt."""
        total = tables.scalar(self.db, "SELECT count(*) FROM asked")
        parameters = {"logged": self.logged, "members": self.names_members}
        for reason, rows, example in self.db.execute(sql("prompting", "lost_questions"), parameters).fetchall():
            example = _plain(example)
            self._count(f"no prompt: {reason}", rows, example)
            limit = reason if reason in type(self.wanted.max_lost).model_fields else "other"
            self._hold(reason, limit, rows, total, f"{self.asked} become no prompt: {reason}", example)
        rows, example, given = self.db.execute(_BAD_MINUTES).fetchall()[0]
        if rows:
            self._count("minutes left out", rows, _plain(example))
            self._hold("bad_minutes", "minutes", rows, given, "minutes of impressions cannot be used", _plain(example))
        rows, example, given = self.db.execute(sql("prompting", "unknown_zones"), parameters).fetchall()[0]
        if rows:
            self._count("time zones left out", rows, _plain(example))
            inherited = "" if self.logged else " and of their members' impressions"
            what = f"time zones of {self.asked}{inherited} are unknown"
            self._hold("bad_time_zone", "other", rows, given, what, _plain(example))
        rows, example = self.db.execute(sql("prompting", "too_mature"), parameters).fetchall()[0]
        if rows:
            self._count("candidates above max_maturity", rows, _plain(example))

    def undecodable(self, artworks: int, example: str | None) -> None:
        """Count the artworks of tonight's titles that nobody could show."""
        if artworks:
            self._count("artworks that cannot be decoded, no candidates", artworks, f"artwork '{_plain(str(example))}'")

    def strangers(self, names: list[str]) -> None:
        """Count who is on a candidate and in no title's cast, so that nobody is known to have watched them."""
        if names:
            self._count("people on artworks in no cast", len(names), f"'{_plain(names[0])}'")

    def no_genre(self, tags: list[str]) -> None:
        """Count the pictures of candidates whose tag names no genre of the titles, where the template speaks of it."""
        if tags:
            self._count("pictures of no genre that titles have", len(tags), f"'{_plain(tags[0])}'")

    def changed(self, what: str, rows: int, example: str) -> None:
        """Count the impressions of which this is told otherwise. Their prompts stay as they are."""
        self._count(f"{what} changed", rows, _plain(example))

    def repeated(self, found: Sequence[tuple[int, str]]) -> int:
        """Count the rows of history whose key another one has: so many, with an example, each time they were found."""
        for rows, example in found:
            self._repeated += rows
            self._count("history rows left out: duplicate", rows, _plain(example))
        return self._repeated

    def history(self, used: int, now: datetime) -> None:
        """Count the rows of `history`, `used` of which stand in `event`. Errors: RefusedInput when no id is known."""
        total, names = tables.scalar(self.db, "SELECT count(*) FROM history"), 0
        lost: Counter[str] = Counter()
        first: dict[str, str] = {}
        found: list[tuple[str, str | None, int, str]] = []
        if self.db.execute(sql("prompting", "any_lost_history"), {"now": now}).fetchall()[0][0]:
            parameters = {"now": now, "members": self.names_members}
            found = self.db.execute(sql("prompting", "lost_history"), parameters).fetchall()
        for reason, name, rows, example in found:
            example = _plain(example)
            if reason == "bad_minutes":
                self._count("history minutes left out", rows, example)
                given = tables.scalar(self.db, _PLAYS_WITH_MINUTES)
                self._hold(reason, "minutes", rows, given, "minutes of plays in input.history cannot be used", example)
                continue
            lost[reason] += rows
            first.setdefault(reason, example)
            told = f"history rows left out: {reason}"
            if name is not None:
                names += 1
                told += f" '{_plain(name)}'" if names <= NAMED_EVENTS else " of other names"
            self._count(told, rows, example)
        if "unknown_title" in lost:
            titles = "SELECT title_id FROM title"
            self._some("title ids of input.history", _HISTORY.format("title"), "input.titles", titles)
        for most, rows in lost.most_common(1):
            what = "rows of input.history cannot be used"
            if len(lost) > 1:
                what += f", {rows:,} of them as {most}"
            self._hold(most, "history", lost.total(), total, what, f"{most}, {first[most]}")
        example = self.report.examples.get("history rows left out: duplicate", "")
        self._hold("duplicate", "history", self._repeated, total, "rows of input.history are there already", example)
        not_needed = total - lost.total() - self._repeated - used
        self.report.counts |= {"history rows used": used, "history rows not needed": not_needed}

    def members(self, now: datetime) -> None:
        """Count the members asked about without history. Errors: RefusedInput when no member of it is known."""
        asked, known, example = self.db.execute(sql("prompting", "without_history")).fetchall()[0]
        if known < asked:
            self._count("members without history", asked - known, f"member '{_plain(example)}'")
        least = self.wanted.min_with_history
        if known < least * asked:
            # Few new questions may be about new members only: judged by all that were asked about, known or not.
            asked = tables.scalar(self.db, "SELECT count(*) FROM member")
            known = self.db.execute(sql("prompting", "with_history"), {"now": now}).fetchall()[0][0]
        if known < least * asked:
            ids = "SELECT member_id FROM member"
            self._some("members of input.history", _HISTORY.format("member"), self.asked, ids)
            self._broken.append(
                f"of {asked:,} members asked about, {known:,} have history from before: give input.history theirs, by"
                f" the same ids, or allow fewer with prompts.min_with_history (it is {least:g})"
            )

    def descriptions(self, model: str) -> None:
        """Count the pictures of candidates that the model has not described: what failed, and what is to be done."""
        least = self.wanted.min_described
        pictures, described = self.db.execute("SELECT count(*), count_if(described) FROM picture").fetchall()[0]
        if described == pictures:
            return
        without = self.db.execute(sql("prompting", "undescribed")).fetchall()
        told = [
            f"{rows:,} failed as {status}" if status else f"{rows:,} not yet described" for status, rows, _ in without
        ]
        status, _, artwork_id = without[0]
        example = f"artwork '{_plain(artwork_id)}', {status or 'not yet described'}"
        self._count("pictures without description", pictures - described, example)
        if described < least * pictures:
            again = " and describe.retry_failed=true" if status else ""
            self._broken.append(
                f"model {model} has described {described:,} of {pictures:,} candidates' pictures ({', '.join(told)}):"
                f" run `make featurize` with it{again}, choose another with prompts.descriptions, or allow fewer with"
                f" prompts.min_described (it is {least:g})"
            )

    def check(self) -> None:
        """Errors: RefusedInput, when a limit is broken."""
        if self._broken:
            raise RefusedInput("; ".join(self._broken) + "; nothing is committed")

    def _count(self, what: str, rows: int, example: str) -> None:
        self.report.counts[what] = self.report.counts.get(what, 0) + rows
        self.report.examples.setdefault(what, example)

    def _hold(self, reason: str, limit: str, rows: int, total: int, what: str, example: str) -> None:
        most = getattr(self.wanted.max_lost, limit)
        if rows > most * total:
            known = TO_DO if self.logged else TO_DO | OF_PAIRS
            advice = f"{known[reason]}, or " if reason in known else ""
            self._broken.append(
                f"{rows:,} of {total:,} {what} (such as {example}): {advice}allow more with prompts.max_lost.{limit}"
                f" (it is {most:g})"
            )

    def _some(self, what: str, theirs: str, place: str, ours: str) -> None:
        """Errors: RefusedInput when both queries give ids, and none of the one is among those of the other."""
        common = f"SELECT EXISTS (SELECT 1 FROM ({theirs}) AS a (id) SEMI JOIN ({ours}) AS b (id) USING (id))"
        if tables.scalar(self.db, common):
            return
        some = [
            ", ".join(f"'{_plain(value)}'" for (value,) in self.db.execute(_THREE.format(query)).fetchall())
            for query in (theirs, ours)
        ]
        if all(some):
            ids = f" ({some[0]} there; {some[1]} here)" if self.names_members or "member" not in what else ""
            raise RefusedInput(f"none of the {what} is known to {place}{ids}: both must write ids alike")


def _plain(text: str) -> str:
    """Text from outside as part of a sentence: on one line, and not without end."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text[:201])
    return line if len(line) <= 200 else f"{line[:199]}…"


_BAD_MINUTES = (
    "SELECT count(bad_minutes), min(bad_minutes), count(coalesce(bad_minutes, minutes::VARCHAR)) FROM asked"
    " WHERE reason IS NULL"
)
_PLAYS_WITH_MINUTES = (
    "SELECT count(*) FROM history WHERE event = 'play' AND (minutes IS NOT NULL OR fault = 'bad_minutes')"
)
_IN_STORE = "SELECT {0}_id FROM artwork_state"
_HISTORY = "SELECT {0}_id FROM history WHERE {0}_id <> ''"
_THREE = "SELECT DISTINCT id FROM ({}) AS ids (id) WHERE id <> '' ORDER BY id LIMIT 3"
