"""A store with something for every section of the report: real pictures, and strangers' texts wherever they may be."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from PIL import Image

from featurize.storage import tables
from featurize.storage.store import Store, part_name
from jobs import cli, report
from tests.evaluating.stores import LETTERS, hexed

NOW = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
HOSTILE = """</script><script>window.pwned = 1</script><img src=x onerror="window.pwned=1">'"&{{7*7}}<!--"""
FILE = """'"><img src=x onerror=window.pwned=1>&.png"""
CLIP, TAGS, OLD_TAGS, WORDS, OLD_WORDS = "clip-1", "tags-1", "tags-0", "words-1", "words-0"
TITLES = ("Rain", "The Last Heart", "Midnight Comet", "Lonely House", HOSTILE)
MOODS = ("calm", "tense", "joyful")


def night(back):
    return NOW - timedelta(days=back)


def commit(store, table, rows, folder=""):
    """Rows are dictionaries; what every row carries is filled in."""
    known = set(tables.contract(table).schema.names)
    origin = {"run_id": "r3", "code_version": "test", "computed_at": night(1)}
    rows = [{name: value for name, value in origin.items() if name in known} | row for row in rows]
    columns = {name: [row.get(name) for row in rows] for name in {name for row in rows for name in row}}
    store.commit(table, folder, part_name([repr(rows)]), tables.rows(table, columns))


def hashed(data):
    return hashlib.sha256(data).hexdigest()


def picture(folder, name, colour, size=(300, 200)):
    """A file of one colour with a darker half; returns its path and SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = Image.new("RGB", size, colour)
    drawn.paste(tuple(value // 2 for value in colour), (0, 0, size[0] // 2, size[1]))
    drawn.save(folder / name)
    return str(folder / name), hashed((folder / name).read_bytes())


def artworks(folder, titles=5, each=3):
    """Rows of table artwork, as seen three nights ago; the first file of the last title has a stranger's name."""
    rows = []
    for title in range(titles):
        for nth in range(each):
            name = FILE if (title, nth) == (len(TITLES) - 1, 0) else f"{nth}.png"
            colour = (40 * title % 256, 90 * nth % 256, (17 * title + 60) % 256)
            uri, sha = picture(folder / f"t{title}", name, colour, (300, 200) if nth else (200, 300))
            rows.append(
                {
                    "artwork_id": f"t{title}-{nth}",
                    "title_id": f"t{title}",
                    "uri": uri,
                    "image_sha256": sha,
                    "size": 1,
                    "format": "PNG",
                    "width": 300 if nth else 200,
                    "height": 200 if nth else 300,
                    "kind": ("poster", "still", "still")[nth % 3],
                    "depicts": [f"Actor {title}"],
                    "source": "catalogue",
                    "present": True,
                    "seen_at": night(3),
                }
            )
    return rows


def model(key, backend, **fingerprint):
    return {"model_key": key, "backend": backend, "fingerprint": json.dumps(fingerprint)}


def tags(rows, key, moods, at):
    return [
        {
            "image_sha256": row["image_sha256"],
            "model_key": key,
            "attribute": attribute,
            "label": label,
            "score": 0.0,
            "probability": 0.8 if label == best else 0.1,
            "computed_at": at,
        }
        for number, row in enumerate(rows)
        for attribute, labels in (("mood", moods), ("genre", ("drama", HOSTILE)))
        for best in [labels[number % len(labels)]]
        for label in labels
    ]


def described(rows, key, at):
    fields = {"raw_text": "{}", "status": "ok", "finish_reason": "stop", "prompt_tokens": 1, "output_tokens": 1}
    return [
        {
            "image_sha256": row["image_sha256"],
            "model_key": key,
            "caption": HOSTILE if row["title_id"] == "t4" else f"Two people at sunset, number {number}.",
            "mood": MOODS[number % 3],
            "setting": "beach",
            "people_count": 2,
            "subjects": ["umbrella"] if number == 0 else ["dog"],
            "text_on_artwork": "RÉUNION" if number == 4 else None,
            "computed_at": at,
            **fields,
        }
        for number, row in enumerate(rows)
    ]


def run_row(run_id, back, job, outcome="done", message="", seconds=60.0, phases=(), of=None, **counts):
    """Of a run that started so many nights back; `of` is the date that a night is for, if it was given."""
    counts = {**counts, "examples": {}, "quarantined": {}, "phases": list(phases)}
    return {
        "run_id": run_id,
        "job": job,
        "settings": json.dumps({"nightly": {"date": of and str(of.date())}}),
        "started_at": night(back),
        "seconds": seconds,
        "outcome": outcome,
        "message": message,
        "counts": json.dumps(counts),
    }


def ended(store, row, outcome):
    """Commit a run whose outcome the contract of this version may not know yet, as one of a later version would."""
    known = tables.rows("run", {name: [value] for name, value in {**row, "code_version": "test"}.items()})
    place = known.schema.get_field_index("outcome")
    store.commit("run", "", row["run_id"], known.set_column(place, "outcome", pa.array([outcome])))


def phase(name, key, done, startup=4.0, work=20.0, **more):
    told = {"name": name, "model_key": key, "new": done, "done": done, "quarantined": {}, "failed": {}}
    return {**told, "startup_s": startup, "work_s": work, "batch_size": 8, **more}


def prompts(rows, members=12):
    """Nightly prompts of every member and title, and a logged one each; odd members watch drama, on a television."""
    found = []
    for title in sorted({row["title_id"] for row in rows}):
        ids = [row["artwork_id"] for row in rows if row["title_id"] == title]
        for member in range(members):
            for kind in ("nightly", "logged"):
                logged = kind == "logged"
                found.append(
                    {
                        "prompt_id": hexed(f"{kind} {title} {member}"),
                        "kind": kind,
                        "impression_id": f"i-{title}-{member}" if logged else None,
                        "member_id": f"m{member}",
                        "title_id": title,
                        "asked_at": night(0),
                        "artwork_ids": ids,
                        "messages": [{"role": "user", "content": "Which?"}],
                        "prompt": f"Which? {HOSTILE}",
                        "answer": LETTERS[member % len(ids)] if logged else None,
                        "reward": float(member % 2) if logged else None,
                        "propensity": 1 / len(ids) if logged else None,
                        "device": "television" if member % 2 else "phone",
                        "split": "held_out" if logged else None,
                        "template_key": "template-1",
                        "model_key": WORDS,
                        "recipe_key": f"prompts-{kind}",
                        "tokens": 6,
                        "tokens_by": "characters",
                    }
                )
    return found


def rankings(prompts, key, at):
    """Odd members are shown the first candidate, even ones the second."""
    rows = []
    for prompt in prompts:
        best = 0 if int(prompt["member_id"][1:]) % 2 else 1
        for place, artwork_id in enumerate(prompt["artwork_ids"]):
            share = 0.7 if place == best else 0.3 / (len(prompt["artwork_ids"]) - 1)
            rank = 1 if place == best else place + (2 if place < best else 1)
            rows.append(
                {
                    "prompt_id": prompt["prompt_id"],
                    "model_key": key,
                    "artwork_id": artwork_id,
                    "score": share,
                    "probability": share,
                    "rank": rank,
                    "propensity": float(place == best),
                    "computed_at": at,
                }
            )
    return rows


def choices(prompts, key):
    rows = []
    for prompt in prompts:
        best = 0 if int(prompt["member_id"][1:]) % 2 else 1
        rows.append(
            {
                "member_id": prompt["member_id"],
                "title_id": prompt["title_id"],
                "artwork_id": prompt["artwork_ids"][best],
                "runner_up": prompt["artwork_ids"][1 - best],
                "margin": 0.55,
                "propensity": 1.0,
                "model_key": key,
                "prompt_id": prompt["prompt_id"],
                "valid_from": night(0),
            }
        )
    return rows


def values(policies):
    rows = []
    for name, lift in policies.items():
        for estimator in ("dr", "snips"):
            rows.append(
                {
                    "evaluation_id": hexed("evaluation"),
                    "policy": name,
                    "estimator": estimator,
                    "slice": "all",
                    "part": "all",
                    "rounds": 480,
                    "members": 120,
                    "effective_rounds": 200.0,
                    "mean_weight": 1.0,
                    "value": 0.2 * (1 + lift),
                    "low": 0.18,
                    "high": 0.25,
                    "baseline": "logged",
                    "lift": lift,
                    "lift_low": lift - 0.1,
                    "lift_high": lift + 0.1,
                    "lift_low_of_all": lift - 0.15,
                    "lift_high_of_all": lift + 0.15,
                    "main": estimator == "dr",
                    "confidence": 0.95,
                    "recipe_key": "prompts-logged",
                    "warnings": [HOSTILE] if name == "llm" else [],
                }
            )
    return rows


def bare(folder, **changes):
    """A store with artwork and nothing else; returns it and its rows."""
    store, rows = Store(str(folder / "store")), artworks(folder / "pictures", **changes)
    commit(store, "artwork", rows)
    return store, rows


def full(folder):
    """A store with everything."""
    store, rows = bare(folder)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(rows), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shas = [row["image_sha256"] for row in rows]
    embedded = [
        {"image_sha256": sha, "model_key": CLIP, "embedding": vector.tolist(), "computed_at": night(3)}
        for sha, vector in zip(shas, vectors, strict=True)
    ]
    commit(store, "image_embedding", embedded, CLIP)
    for key, moods, back in ((OLD_TAGS, MOODS[:2], 3), (TAGS, MOODS, 1)):
        commit(store, "image_tag", tags(rows, key, moods, night(back)), key)
    commit(store, "description", described(rows[:9], OLD_WORDS, night(3)), OLD_WORDS)
    commit(store, "description", described(rows[:14], WORDS, night(1)), WORDS)
    models = [
        model(TAGS, "tags", image=CLIP),
        model(OLD_TAGS, "tags", image=CLIP),
        model("llm-1", "llm"),
        model("random-1", "random"),
    ]
    models += [model(key, "fake") for key in (CLIP, WORDS, OLD_WORDS)] + [model("prompts-logged", "prompts")]
    commit(store, "model", models)
    current = {"image_embedding": CLIP, "image_tag": TAGS, "description": WORDS}
    commit(
        store,
        "production",
        [
            {"feature": name, "model_key": key, "because": "pin", "computed_at": night(1)}
            for name, key in current.items()
        ],
    )
    commit(store, "model", [model("near-1", "near_duplicates", image=CLIP)])
    near = {
        "image_sha256": shas[0],
        "model_key": "near-1",
        "near": [shas[3], shas[7]],
        "cosines": [0.98, 0.97],
        "found": 2,
    }
    commit(store, "near_picture", [near], "near-1")
    failing = {"image_sha256": shas[14], "uri": rows[14]["uri"], "stage": "model", "model_key": WORDS}
    gone = {"image_sha256": "", "uri": "/gone/" + FILE, "stage": "read", "model_key": "decode-1"}
    commit(
        store, "quarantine", [failing | {"reason": "model_error", "detail": HOSTILE, "retryable": False, "attempts": 1}]
    )
    commit(
        store,
        "quarantine",
        [gone | {"reason": "not_found", "detail": "there is no such file", "retryable": True, "attempts": 2}],
    )
    phases = [
        phase("embed", CLIP, 15),
        phase("describe", WORDS, 14, spent={"model_s": 18.5, "worker_s": {"cpu": 24.0}}),
    ]
    runs = [
        run_row("r0", 4, "featurize", "started", seconds=0.0),  # and nothing after it: killed
        run_row("r1", 3, "featurize", phases=[phase("embed", CLIP, 15, work=10.0)], found=15),
        run_row("r2", 2, "featurize", "failed", HOSTILE),
        run_row("r3", 1, "featurize", phases=phases, found=15, removed=0),
        run_row("r4", 1, "rank", "interrupted"),
        run_row("r5", 0, "prompts", phases=[phase("prompts", "prompts-logged", 120)]),
        run_row("r6", 3, "nightly", "failed", "half a file"),
        run_row("r7", 1, "nightly", of=night(3)),  # two days late
        run_row("r8", 1, "featurize", of=night(3)),  # which is not for a night
    ]
    for row in runs:
        commit(store, "run", [row])
    names = {f"t{number}": name for number, name in enumerate(TITLES)}
    commit(
        store,
        "title_state",
        [
            {"title_id": each, "name": name, "year": 2020, "genres": [["drama"], ["comedy"]][int(each[1]) % 2]}
            | {"synopsis": f"A story. {HOSTILE}", "cast": [f"Actor {each[1]}"]}
            for each, name in names.items()
        ],
    )
    asked = prompts(rows)
    commit(store, "prompt", asked, "all")
    logged, nightly = ([row for row in asked if row["kind"] == kind] for kind in ("logged", "nightly"))
    names_of = {"impression_id", "member_id", "title_id", "propensity", "device"}
    shown = [
        {name: row[name] for name in names_of}
        | {
            "artwork_id": row["artwork_ids"][LETTERS.index(row["answer"])],
            "candidates": row["artwork_ids"],
            "at": night(0),
        }
        for row in logged
    ]
    commit(store, "impression_state", shown)
    commit(
        store,
        "label",
        [{"impression_id": row["impression_id"], "revision": 1, "reward": row["reward"]} for row in logged],
    )
    commit(store, "ranking", rankings(asked, "random-1", night(1)), "random-1")
    commit(store, "ranking", rankings(asked, "llm-1", night(0)), "llm-1")
    commit(store, "choice", choices(nightly, "llm-1"), "0")
    commit(store, "policy_value", values({"logged": 0.0, "llm": 0.12, "random": -0.05}))
    return store, rows


def run(store, page, *flags, **changes):
    """The exit code of `python -m jobs.report`."""
    sets = {"store": store.uri, "report.html": str(page)} | {
        key.replace("__", "."): value for key, value in changes.items()
    }
    given = [f"--set={name}={json.dumps(value)}" for name, value in sets.items()]
    return cli.main("report", report.__doc__, report.report, [*given, *flags])
