"""What became of the rows that came in, and whether so much of them is lost that the run must end.

Invariant: every row of an input is used, not needed, or counted under a reason with an example of it; all of it is
counted before anything is committed.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.report import Report
from featurize.storage import tables
from featurize.storage.tables import sql

NAMED_EVENTS = 5
"""Unknown events that are counted by name; the others are counted together."""
TO_DO = {
    "unknown_title": "give input.titles every title that was shown",
    "unknown_candidate": "say in the catalogue what was on offer then (valid_from, valid_to), or show such candidates"
    " with prompts.unknown_candidate=placeholder",
    "few_candidates": "a title with one artwork leaves nothing to choose",
    "no_description": "run `make featurize` for these artworks",
    "duplicate_id": "give every impression an id of its own",
    "changed_impression": "give every impression an id that no other one ever had, and tell it the same every time",
    "bad_time": "look at the clocks and time zones of what wrote them",
    "history": "give input.titles every title that was played, and events as play, thumbs_up, thumbs_down or list_add",
}
"""By reason, what most likely helps."""


class Accounts:
    """Counts the rows in `db` into a report, with examples, and keeps in mind which limits they break."""

    def __init__(self, db: duckdb.DuckDBPyConnection, settings: Settings, report: Report) -> None:
        self.db, self.wanted, self.report = db, settings.prompts, report
        self.logged = self.wanted.kind == "logged"
        self.asked = "impressions" if self.logged else "pairs"
        # Where members get pseudonyms, their ids are for no message and no table.
        self.names_members = self.wanted.member_key_env is None
        self._broken: list[str] = []

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
            self.report.counts[f"no prompt: {reason}"] = rows
            self.report.examples[f"no prompt: {reason}"] = example
            limit = reason if reason in type(self.wanted.max_lost).model_fields else "other"
            self._hold(reason, limit, rows, total, f"{self.asked} become no prompt: {reason}", example)
        rows, example = self.db.execute(_BAD_MINUTES).fetchall()[0]
        if rows:
            self.report.counts["minutes left out"] = rows
            self.report.examples["minutes left out"] = _plain(example)

    def changed(self, rows: int, example: str) -> None:
        """Count the impressions whose propensity or policy is told otherwise. Their prompts stay as they are."""
        if rows:
            self.report.counts["propensity or policy changed"] = rows
            self.report.examples["propensity or policy changed"] = _plain(example)

    def history(self, used: int, now: datetime) -> None:
        """Count the rows of `history`, `used` of which stand in `event`. Errors: RefusedInput when no id is known."""
        self._some("title ids of input.history", _HISTORY.format("title"), "input.titles", "SELECT title_id FROM title")
        total, lost, names, first = tables.scalar(self.db, "SELECT count(*) FROM history"), 0, 0, ""
        for reason, name, rows in self.db.execute(sql("prompting", "lost_history"), {"now": now}).fetchall():
            usable = reason == "bad_minutes"
            lost += 0 if usable else rows
            told = "history minutes left out" if usable else f"history rows left out: {reason}"
            if name is not None:
                names += 1
                told += f" '{_plain(name)}'" if names <= NAMED_EVENTS else " of other names"
            if told not in self.report.examples:
                parameters = {"now": now, "members": self.names_members, "reason": reason, "name": name}
                found = self.db.execute(sql("prompting", "lost_history_example"), parameters).fetchall()
                self.report.examples[told] = _plain(found[0][0])
                first = first or ("" if usable else f"{reason}, {self.report.examples[told]}")
            self.report.counts[told] = self.report.counts.get(told, 0) + rows
        self._hold("history", "history", lost, total, "rows of input.history cannot be used", first)
        self.report.counts |= {"history rows used": used, "history rows not needed": total - lost - used}

    def members(self, now: datetime) -> None:
        """Look how many members asked about have history. Errors: RefusedInput when no member of it is known."""
        least = self.wanted.min_with_history
        if not least:
            return
        self._some("members of input.history", _HISTORY.format("member"), self.asked, "SELECT member_id FROM member")
        asked, known = self.db.execute(
            "SELECT (SELECT count(DISTINCT member) FROM question), (SELECT count(DISTINCT member_no) FROM event)"
        ).fetchall()[0]
        if known < least * asked:
            # Few new questions may be about new members only: judged by all that were asked about, known or not.
            asked = tables.scalar(self.db, "SELECT count(*) FROM member")
            known = self.db.execute(sql("prompting", "with_history"), {"now": now}).fetchall()[0][0]
        if known < least * asked:
            self._broken.append(
                f"of {asked:,} members asked about, {known:,} have history from before: give input.history theirs, by"
                f" the same ids, or allow fewer with prompts.min_with_history (it is {least:g})"
            )

    def descriptions(self, model: str) -> None:
        """Look how many pictures of candidates the model has described."""
        least = self.wanted.min_described
        pictures, described = self.db.execute("SELECT count(*), count_if(described) FROM picture").fetchall()[0]
        if described < least * pictures:
            self._broken.append(
                f"model {model} has described {described:,} of {pictures:,} candidates' pictures: run `make featurize`"
                " with it, choose another with prompts.descriptions, or allow fewer with prompts.min_described"
                f" (it is {least:g})"
            )

    def check(self) -> None:
        """Errors: RefusedInput, when a limit is broken."""
        if self._broken:
            raise RefusedInput("; ".join(self._broken) + "; nothing is committed")

    def _hold(self, reason: str, limit: str, rows: int, total: int, what: str, example: str) -> None:
        most = getattr(self.wanted.max_lost, limit)
        if rows > most * total:
            advice = f"{TO_DO[reason]}, or " if reason in TO_DO else ""
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


_BAD_MINUTES = "SELECT count(*), min(bad_minutes) FROM asked WHERE reason IS NULL AND bad_minutes IS NOT NULL"
_IN_STORE = "SELECT {0}_id FROM artwork_state"
_HISTORY = "SELECT {0}_id FROM history WHERE {0}_id <> ''"
_THREE = "SELECT DISTINCT id FROM ({}) AS ids (id) WHERE id <> '' ORDER BY id LIMIT 3"
