"""The prompts of one member, whole, for a person who wants to judge them: beside each letter the picture it stands for.

Reads what is committed, and makes and writes nothing.
"""

from __future__ import annotations

from typing import Any

import duckdb

from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.inference import letters
from featurize.prompting import recipe, template
from featurize.storage import secrets, tables, views
from featurize.storage.store import Store
from featurize.storage.tables import sql

MOST = 10
"""Prompts shown at once; of more, the newest."""


def show(settings: Settings) -> str:
    """The prompts of the member, impression or prompt `prompts.show`, the newest first.

    Members are found by the id they came with, where `prompts.member_key_env` made pseudonyms of these too. With a
    `prompts.template` that was asked for, only its prompts. Errors: RefusedInput when there is none.
    """
    store, wanted = Store(settings.store), settings.prompts
    given = wanted.show or ""
    if not store.parts("prompt"):
        raise RefusedInput(f"{store.uri} has no prompts: run `make prompts` first")
    asked = {
        "id": given,
        "member": recipe.pseudonym(recipe.member_key(wanted), given),
        "template": template.load(wanted.template).key if wanted.template else None,
    }
    with views.connect(store) as db:
        rows = tables.arrow(db, sql("prompting", "shown"), asked | {"most": MOST}).to_pylist()
        if not rows:
            raise RefusedInput(_unknown(db, store, given, asked["template"] and wanted.template))
        shown = [_one(row, _pictures(db, row)) for row in rows]
    left = rows[0]["found"] - len(rows)
    if left:
        shown.append(f"{left:,} older ones are not shown; SHOW=<the id of a prompt or impression> shows any of them")
    return secrets.redact("\n\n".join(shown))


def _unknown(db: duckdb.DuckDBPyConnection, store: Store, given: str, of_template: str | None) -> str:
    words = f" of template {of_template}" if of_template else ""
    sentence = f"prompts.show: {store.uri} has no prompt{words} of a member, impression or prompt '{_line(given)}'"
    member, impression, hashed = db.execute(sql("prompting", "shown_hint")).fetchall()[0]
    if hashed:
        return f"{sentence}; members there are keyed hashes: set prompts.member_key_env, or give the hash ('{member}')"
    example = f"; there are member '{_line(member)}'"
    return (
        sentence + example + (f" and impression '{_line(impression)}', for example" if impression else ", for example")
    )


def _pictures(db: duckdb.DuckDBPyConnection, row: dict[str, Any]) -> dict[str, str]:
    """artwork_id -> address of its picture when the prompt was asked."""
    found = db.execute(
        sql("prompting", "shown_pictures"), {"artworks": row["artwork_ids"], "asked_at": row["asked_at"]}
    ).fetchall()
    return dict(found)


def _one(row: dict[str, Any], pictures: dict[str, str]) -> str:
    """A prompt with its heading, its candidates and what came of it."""
    title = f"{row['title_id']} ({row['name']})" if row["name"] else row["title_id"]
    logged = [f"impression {row['impression_id']}"] if row["impression_id"] else []
    heading = [f"prompt {row['prompt_id']}", row["kind"], *logged, f"member {row['member_id']}", f"title {title}"]
    heading += [f"{row['asked_at']:%Y-%m-%d %H:%M} UTC", row["recipe_key"]]
    lines = [f"-- {_line(', '.join(heading))}", row["prompt"], "", "Pictures:"]
    propensities = row["propensities"] or [None] * len(row["artwork_ids"])
    for letter, artwork_id, share in zip(letters.LETTERS, row["artwork_ids"], propensities, strict=False):
        probability = "" if share is None else f" (propensity {share:.3g})"
        lines.append(f"{letter}. {_line(pictures.get(artwork_id) or f'no picture of {artwork_id}')}{probability}")
    if row["answer"] is not None:
        minutes = "" if row["minutes"] is None else f", {row['minutes']:g} minutes"
        came = f"reward {row['reward']:g}{minutes}"
        lines.append(f"Shown: {row['answer']}, with propensity {row['propensity']:.3g}; {came}")
    return "\n".join(lines)


def _line(text: str) -> str:
    """Text from outside on one line of a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
