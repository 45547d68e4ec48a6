"""What decides a prompt besides the data: template, models and settings, under one key like that of a model.

Invariant: which pairs are held out is decided once, by the first run of a recipe, and kept in its row of `model`. The
split of a pair therefore never changes, whatever later nights bring.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from datetime import UTC, datetime
from typing import Any

import duckdb

from featurize.config import Prompts
from featurize.errors import RefusedInput
from featurize.prompting import template
from featurize.prompting.template import Template
from featurize.storage import current, tables
from featurize.storage.store import Store

HELD_OUT_OF = 10
"""Of fewer than twice the pairs to hold out, one in so many is."""


def member_key(settings: Prompts) -> bytes | None:
    """The secret of the pseudonyms, if they are asked for. Errors: RefusedInput when the variable is not set."""
    if settings.member_key_env is None:
        return None
    secret = os.environ.get(settings.member_key_env, "")
    if not secret:
        raise RefusedInput(f"prompts.member_key_env: the environment variable {settings.member_key_env} is not set")
    return secret.encode()


def pseudonym(key: bytes | None, member_id: str) -> str:
    """HMAC-SHA256 of a member id, 32 hex digits; without a key the id itself."""
    return member_id if key is None else hmac.digest(key, member_id.encode(), "sha256").hex()[:32]


def which_key(key: bytes | None) -> str | None:
    """Tells one secret from another, and nothing else about it."""
    return None if key is None else hmac.digest(key, b"which key this is", "sha256").hex()[:16]


def tokenizer(settings: Prompts) -> tuple[Any, str]:
    """The ranker's tokenizer and the digest of its file; (None, 'characters') where none is named.

    Errors: RefusedInput when the folder has no usable tokenizer.json.
    """
    if settings.tokenizer is None:
        return None, "characters"
    from tokenizers import Tokenizer

    path = os.path.join(settings.tokenizer, "tokenizer.json")
    try:
        with open(path, "rb") as file:
            data = file.read()
        return Tokenizer.from_buffer(data), f"tokenizer-{hashlib.sha256(data).hexdigest()[:16]}"
    except Exception as error:  # tokenizers raises nothing more precise
        raise RefusedInput(f"prompts.tokenizer: {path} is no tokenizer ({error})") from error


def template_name(store: Store, kind: str) -> str:
    """The template of the store's current recipe of this kind, else of the other, where it ships; else the default.

    So a store goes on as it began, whatever the next version of this project begins new stores with.
    """
    kinds = [f"{each}_prompt" for each in (kind, "logged", "nightly")]
    now = current.models(store, features=set(kinds))
    chosen = next((now[each].model_key for each in kinds if each in now), None)
    with tables.scratch() as db:
        store.register(db, "model")
        query = "SELECT fingerprint FROM model WHERE model_key = $1"
        found = [json.loads(text)["template"] for (text,) in db.execute(query, [chosen]).fetchall()]
    return next((name for name in template.names() if template.load(name).fingerprint in found), template.DEFAULT)


def fingerprint(
    settings: Prompts,
    template: Template,
    descriptions: str,
    tags: str | None,
    *,
    key: bytes | None,
    tokens_by: str,
) -> dict[str, Any]:
    """Everything of a recipe but the threshold that holds pairs out."""
    held_out: dict[str, Any] = {}
    logged: dict[str, Any] = {}
    if settings.kind == "logged":
        logged = {"unknown_candidate": settings.unknown_candidate}
        moment = _utc(settings.held_out_from)
        held_out = {"from": moment} if moment else {"pairs": settings.held_out}
    return {
        "backend": "prompts",
        "kind": settings.kind,
        "template": template.fingerprint,
        "descriptions": descriptions,
        "tags": tags,
        "missing_description": settings.missing_description,
        **logged,
        "as_of": _utc(settings.as_of),
        "seed": settings.seed,
        "held_out": held_out,
        "member_key": which_key(key),
        "tokens_by": tokens_by,
    }


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def recorded(db: duckdb.DuckDBPyConnection, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The first recipe in view `model` that equals `wanted` but for the threshold it decided on."""
    rows = db.execute("SELECT fingerprint FROM model WHERE backend = 'prompts' ORDER BY computed_at").fetchall()
    for (text,) in rows:
        found: dict[str, Any] = json.loads(text)
        held_out = {name: value for name, value in found["held_out"].items() if name != "up_to"}
        if found | {"held_out": held_out} == wanted:
            return found
    return None
