"""A small store with every kind of row, and what puts rows in one."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np

from featurize.storage import tables

DAY = datetime(2026, 11, 1, tzinfo=UTC)
LABELS = {"mood": ["bright", "dark"], "people": ["none", "some"]}


def night(number, minutes=0):
    return DAY + timedelta(days=number, minutes=minutes)


def commit(store, table, rows, folder="", part="p"):
    """Rows are dicts; what every row carries is filled in."""
    columns = tables.contract(table).schema.names
    filled = [{"run_id": "r1", "code_version": "v", "computed_at": night(1)} | row for row in rows]
    given = [name for name in columns if name in filled[0]]
    values = {name: [row[name] for row in filled] for name in given}
    if "embedding" in values:
        values["embedding"] = np.array(values["embedding"], np.float32)
    store.commit(table, folder, part, tables.rows(table, values))


def artwork(artwork_id, title_id, sha, on, present=True):
    return {
        "artwork_id": artwork_id,
        "title_id": title_id,
        "uri": f"/pictures/{artwork_id}.jpg",
        "image_sha256": sha * (64 // len(sha)),
        "size": 1,
        "source": "/pictures",
        "present": present,
        "seen_at": night(on),
    }


def embed(store, key, vectors, part="p"):
    rows = [{"image_sha256": sha * 64, "model_key": key, "embedding": vector} for sha, vector in vectors.items()]
    commit(store, "image_embedding", rows, key, part)


def describe(store, key, captions, part="p", status="ok"):
    """By SHA-256, of which one digit stands for the whole."""
    fields = {"raw_text": "{}", "status": status, "finish_reason": "stop", "prompt_tokens": 1, "output_tokens": 1}
    whole = {sha * (64 // len(sha)): caption for sha, caption in captions.items()}
    rows = [{"image_sha256": sha, "model_key": key, "caption": text, **fields} for sha, text in whole.items()]
    commit(store, "description", rows, key, part)


def tag(store, key, best):
    rows = [
        {
            "image_sha256": sha * 64,
            "model_key": key,
            "attribute": attribute,
            "label": label,
            "score": 0.0,
            "probability": 0.75 if label in chosen else 0.25,
        }
        for sha, chosen in best.items()
        for attribute, labels in LABELS.items()
        for label in labels
    ]
    commit(store, "image_tag", rows, key)


def refuse(store, sha, key, attempt, on, *, stage="model", retryable=True, uri=None):
    failure = {
        "image_sha256": sha * 64,
        "uri": uri or f"/pictures/of-{sha}.jpg",
        "stage": stage,
        "model_key": key,
        "reason": "model_error" if stage == "model" else "truncated" if stage == "decode" else "unreadable",
        "detail": "x",
        "retryable": retryable,
        "attempts": attempt,
        "computed_at": night(on, 1),
    }
    commit(store, "quarantine", [failure], key, f"{sha or 'unread'}-{stage}-{attempt}-{on}")


def run(store, run_id, on, phases, outcome="done"):
    counts = {"artworks found": 7, "removed": on, "quarantined": {"truncated": 1, "model_error": 2}}
    counts["phases"] = [
        {"name": name, "model_key": key, "new": 5, "done": 4, "quarantined": {"truncated": 1}}
        | {"startup_s": 1.0, "work_s": 2.0, "batch_size": 1}
        for name, key in phases.items()
    ]
    row = {"run_id": run_id, "job": "featurize", "outcome": outcome, "message": "", "started_at": night(on)}
    settings = {"input": {"artwork": "/pictures"}, "run": {"max_attempts": 3}}
    commit(
        store,
        "run",
        [row | {"settings": json.dumps(settings), "seconds": 9.0, "counts": json.dumps(counts)}],
        "",
        run_id,
    )


def model(store, key, on, **fingerprint):
    row = {"model_key": key, "backend": key.split("-")[0], "fingerprint": json.dumps(fingerprint)}
    commit(store, "model", [row | {"computed_at": night(on)}], "", key)


def fill(store):
    """Seven pictures under eight artworks, three image models, and every way to fail."""
    first = [artwork(f"a{n}", f"t{n % 2}", sha, 1) for n, sha in enumerate("1234567")]
    commit(store, "artwork", [*first, artwork("copy", "t9", "1", 1)], part="night1")
    commit(store, "artwork", [artwork("a1", "t1", "8", 2), artwork("a2", "t0", "3", 2, present=False)], part="night2")
    for key, on in {"clip-old": 1, "clip-new": 2, "words-1": 1, "clip-broken": 3}.items():
        model(store, key, on)
    model(store, "tags-1", 2, image="clip-new")
    embed(store, "clip-old", {sha: [0.6, 0.8] for sha in "123456"})
    embed(store, "clip-new", {"1": [1, 0, 0], "2": [0, 0, 1], "3": [0.96, 0.28, 0], "4": [0.8, 0.6, 0]})
    embed(store, "clip-new", {"8": [0.6, 0.8, 0], "5": [0, 0.6, 0.8]}, "retried")
    embed(store, "clip-broken", {"1": [1]})
    tag(store, "tags-1", {"1": ("bright", "none"), "8": ("dark", "some")})
    describe(store, "words-1", {"1": "one", "8": "eight", "4": "four", "5": "five"})
    refuse(store, "5", "clip-new", 1, 1)  # the next attempt, of night 2, went well
    refuse(store, "6", "clip-new", 1, 1)
    refuse(store, "6", "clip-new", 2, 2)
    refuse(store, "7", "decode-1", 1, 1, stage="decode", retryable=False)
    refuse(store, "3", "words-1", 1, 1)  # of an artwork that was removed
    run(store, "r1", 1, {"embed": "clip-old", "describe": "words-1"})
    run(store, "r2", 2, {"embed": "clip-new", "tag": "tags-1", "describe": "words-1"})
    run(store, "r3", 3, {"embed": "clip-broken"}, outcome="failed")
