"""Which model and which recipe is current: what the readable views show, and what the next job works with.

It is what table `production` says: declared by the settings `pin`, or settled by coverage at the end of a finished run;
never by who ran last alone. So a small experiment changes nothing, and a new model takes over once it has done what the
old one had. Every change is a row there and a note of the run that made it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from featurize.errors import RefusedInput
from featurize.storage import tables
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

PINS = {
    "embed": "image_embedding",
    "tag": "image_tag",
    "describe": "description",
    "text": "text_embedding",
    "recipe": "logged_prompt",
    "nightly_recipe": "nightly_prompt",
    "describe_clips": "clip_description",
    "transcribe": "transcript",
    "describe_sound": "sound_description",
}
"""Setting of `pin` -> feature."""
FEATURES = tuple(PINS.values())
OF_CLIPS = ("clip_description", "transcript", "sound_description")
COVERAGE = "coverage"
"""As a pin: there shall be none."""
PIN = "pin"
EVER = "infinity"
TEXT_PHASE = "text"
"""The phase of featurize that makes vectors of texts."""
_CANDIDATE = pa.schema([("feature", pa.string()), ("model_key", pa.string()), ("covers", pa.int64())])


@dataclass(frozen=True)
class Choice:
    """A row of `production`, or what would become one."""

    model_key: str
    because: str


@dataclass(frozen=True)
class Standing:
    """A model with rows beside the others of its feature. `covers` is 0 where there is nothing to compare it with."""

    feature: str
    model_key: str
    covers: int
    pinned: bool
    current: bool


def models(store: Store, as_of: str = EVER, features: Collection[str] = FEATURES) -> dict[str, Choice]:
    """The current model by feature, as it was at `as_of`; without features that have no rows."""
    recorded = _recorded(store, as_of)
    found = {name: recorded[name] for name in features if name in recorded and _has_rows(store, name, recorded[name])}
    # What no finished run has settled yet, or whose rows are not there.
    for each in standings(store, as_of, set(features) - set(found)):
        if each.current:
            found[each.feature] = Choice(each.model_key, COVERAGE)
    return found


def declare(store: Store, pins: Mapping[str, str | None], origin: Origin, *, dry_run: bool) -> list[str]:
    """Write down the pins that are new; returns what to tell of them. Errors: as `declared`."""
    recorded, chosen = _recorded(store), declared(store, pins)
    if not dry_run:
        _write(store, chosen, origin)
    return [_told(feature, choice, recorded.get(feature)) for feature, choice in chosen.items()]


def declared(store: Store, pins: Mapping[str, str | None]) -> dict[str, Choice]:
    """The pins that are new, by feature; writes nothing.

    Errors: RefusedInput naming the setting whose model has no rows here, where others have.
    """
    recorded = _recorded(store)
    chosen = {}
    for setting, feature in PINS.items():
        wanted, now = pins.get(setting), recorded.get(feature)
        if wanted is None or (wanted == COVERAGE and (now is None or now.because != PIN)):
            continue
        if wanted == COVERAGE:
            free = [each.model_key for each in standings(store, features=[feature], pins=False) if each.current]
            chosen[feature] = Choice(free[0] if free else recorded[feature].model_key, COVERAGE)
        else:
            known = _keys(store, [feature]).get(feature, [])
            if known and wanted not in known:  # where there is nothing yet, nothing wrong can be shown
                raise RefusedInput(
                    f"pin.{setting}: {store.uri} has no {_rows_of(feature)} by '{wanted}', but by {', '.join(known)};"
                    " pin a model after a run with it"
                )
            if now != Choice(wanted, PIN):
                chosen[feature] = Choice(wanted, PIN)
    return chosen


def settle(store: Store, phases: Collection[tuple[str, str]], origin: Origin) -> list[str]:
    """At the end of a finished run: write down what is current from now on; returns what to tell of it.

    `phases` are those of the run: name and model key. Told are changes, and what keeps one of these models from being
    current.
    """
    recorded, used = _recorded(store), {key for _, key in phases}
    found = standings(store, phases=phases)
    now = {each.feature: each for each in found if each.current}
    chosen, notes = {}, []
    for feature, each in now.items():
        before = recorded.get(feature)
        if before is None or (before.because != PIN and before.model_key != each.model_key):
            chosen[feature] = Choice(each.model_key, COVERAGE)
            if before is not None:
                notes.append(_told(feature, chosen[feature], before))
    _write(store, chosen, origin)
    setting = {feature: name for name, feature in PINS.items()}
    for each in found:
        if each.model_key in used and not each.current:
            best = now[each.feature]
            why = "is pinned" if best.pinned else f"covers {best.covers:,}"
            notes.append(
                f"the current {_rows_of(each.feature)} are still those of {best.model_key}, which {why};"
                f" {each.model_key} covers {each.covers:,} (pin.{setting[each.feature]}={each.model_key} declares it)"
            )
    return notes


def standings(
    store: Store,
    as_of: str = EVER,
    features: Collection[str] = FEATURES,
    *,
    pins: bool = True,
    phases: Collection[tuple[str, str]] = (),
) -> list[Standing]:
    """Every model that has rows, by feature; of each feature the current one first.

    Rows are read only where there is a choice, or where `as_of` is a moment. `phases` are those of a run that is about
    to be done: it is not in table `run` yet.
    """
    keys = _keys(store, features, {key for name, key in phases if name == TEXT_PHASE})
    if not keys:
        return []
    alone = {feature: each[0] for feature, each in keys.items() if len(each) == 1 and as_of == EVER}
    with store.reading(), tables.scratch() as db:
        rows = [{"feature": feature, "model_key": key, "covers": 0} for feature, key in alone.items()]
        candidates = pa.Table.from_pylist(rows, _CANDIDATE)
        compared = {feature: each for feature, each in keys.items() if feature not in alone}
        if compared:
            store.register(db, "artwork")
            for name in OF_CLIPS:
                store.register(db, name, compared.get(name, []))
            store.register(db, "clip", [""] if not compared.keys().isdisjoint(OF_CLIPS) else [])
            db.register("said_of_picture", store.dataset("description", [""] if "text_embedding" in compared else []))
            for name in ("image_embedding", "image_tag", "description", "text_embedding", "prompt"):
                store.register(
                    db, name, [key for feature, each in compared.items() if _table(feature) == name for key in each]
                )
            covered = tables.arrow(db, sql("storage", "covered"), {"as_of": as_of}).cast(_CANDIDATE)
            candidates = pa.concat_tables([candidates, covered])
        db.register("candidate", candidates)
        for table, moment in (("run", "started_at"), ("model", "computed_at"), ("production", "computed_at")):
            db.register("committed", store.dataset(table))
            db.execute(f"CREATE TEMP TABLE {table} AS FROM committed WHERE {moment} < $1::TIMESTAMPTZ", [as_of])
        if phases:
            counts = json.dumps({"phases": [{"model_key": key} for _, key in phases]})
            db.execute("INSERT INTO run BY NAME SELECT now() AS started_at, 'done' AS outcome, $1 AS counts", [counts])
        if not pins:
            db.execute("DELETE FROM production")
        return [Standing(*row) for row in db.execute(sql("storage", "standing")).fetchall()]


def _table(feature: str) -> str:
    return "prompt" if feature.endswith("_prompt") else feature


def _rows_of(feature: str) -> str:
    return feature.replace("_", " ") + "s"


def _keys(store: Store, features: Collection[str], texts: Collection[str] = ()) -> dict[str, list[str]]:
    """feature -> models with rows, told by the folders of its table; of prompts also by the kind of the recipe.

    The vectors of labels lie in the same table as those of texts: what says that a model is for texts is the phase that
    used it, in table `run` or, as `texts`, in the run that is about to be done.
    """
    found: dict[str, list[str]] = {}
    with store.reading(), tables.scratch() as db:
        store.register(db, "model")
        store.register(db, "run")
        kinds = dict(db.execute("SELECT model_key, fingerprint->>'kind' FROM model").fetchall())
        if "text_embedding" in features:
            texts = {key for (key,) in db.execute(_OF_TEXTS, [TEXT_PHASE]).fetchall()}.union(texts)
    for table in sorted({_table(feature) for feature in features}):
        for key in sorted({part.split("/")[1] for part in store.parts(table) if part.count("/") > 1}):
            feature = f"{kinds.get(key)}_prompt" if table == "prompt" else table
            if feature in features and (feature != "text_embedding" or key in texts):
                found.setdefault(feature, []).append(key)
    return found


_OF_TEXTS = """SELECT DISTINCT phase->>'model_key'
    FROM (SELECT unnest(json_extract(counts, '$.phases[*]')) AS phase FROM run)
    WHERE phase->>'name' = $1"""


def _has_rows(store: Store, feature: str, choice: Choice) -> bool:
    return bool(store.parts(_table(feature), choice.model_key))


def _recorded(store: Store, as_of: str = EVER) -> dict[str, Choice]:
    """The newest row of `production` by feature."""
    query = """SELECT feature, arg_max(model_key, computed_at), arg_max(because, computed_at)
        FROM production WHERE computed_at < $1::TIMESTAMPTZ GROUP BY feature"""
    with store.reading(), tables.scratch() as db:
        store.register(db, "production")
        return {feature: Choice(key, because) for feature, key, because in db.execute(query, [as_of]).fetchall()}


def _told(feature: str, choice: Choice, before: Choice | None) -> str:
    why = "pinned" if choice.because == PIN else "by coverage"
    instead = f"; they were those of {before.model_key}" if before and before.model_key != choice.model_key else ""
    return f"the current {_rows_of(feature)} are now those of {choice.model_key}, {why}{instead}"


def _write(store: Store, chosen: Mapping[str, Choice], origin: Origin) -> None:
    if not chosen:
        return
    now = datetime.now(UTC)
    rows: dict[str, Sequence[Any]] = {
        "feature": list(chosen),
        "model_key": [choice.model_key for choice in chosen.values()],
        "because": [choice.because for choice in chosen.values()],
        **origin.columns(len(chosen)),
        "computed_at": [now] * len(chosen),
    }
    part = part_name([origin.run_id, now.isoformat()])
    store.commit("production", "", part, tables.rows("production", rows))
