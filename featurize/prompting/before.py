"""What a member did with the very title of a question before, and which of its artworks they were shown.

Invariant: all of it is from strictly before the question's moment. Impressions are those of the log that have or get a
prompt and those that the store keeps; so it is the same whether a log is given whole or day by day.
"""

from __future__ import annotations

import duckdb

from featurize.prompting.template import Template
from featurize.storage.store import Store
from featurize.storage.tables import sql


def log(db: duckdb.DuckDBPyConnection, kind: str) -> None:
    """View `logged_before`: the impressions of the log."""
    db.execute(sql("prompting", "logged_before" if kind == "logged" else "logged_until_now"))


def recall(db: duckdb.DuckDBPyConnection, store: Store, template: Template) -> None:
    """Tables `earlier_event` and `earlier_shown` (of `logged_before`); empty where the template has none."""
    wanted = template.earlier
    db.execute(sql("prompting", "earlier_events"), {"events": wanted.events if wanted else 0})
    days = _days(db, store, wanted.days) if wanted else []
    for table in ("impression_state", "label"):
        store.register(db, table, days)
    parameters = {"days": wanted.days, "known_after": wanted.known_after} if wanted else {"days": 0, "known_after": 0}
    db.execute(sql("prompting", "earlier_shown"), parameters)


def _days(db: duckdb.DuckDBPyConnection, store: Store, back: int) -> list[str]:
    """The days of the store from which a question may tell of impressions."""
    first, last = db.execute(_SPAN, {"days": back}).fetchall()[0]
    kept = {part.split("/")[1] for part in store.parts("impression_state")}
    return sorted(day for day in kept if first <= day <= last)


_SPAN = """SELECT strftime(greatest(min(asked_at) - to_days($days), TIMESTAMPTZ '0001-01-01 00:00:00Z'), '%Y-%m-%d'),
    strftime(max(asked_at), '%Y-%m-%d') FROM question"""
