"""Stores, titles and histories whose truth is known: a title is of a kind, its vector says which; members like one."""

import csv
import hashlib
from datetime import UTC, datetime, timedelta

import numpy as np

from featurize.storage import tables
from featurize.storage.store import Store, part_name
from jobs import cli, recommend

START = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = {"run_id": "before", "code_version": "test", "computed_at": START}
KINDS = ("sea", "wood", "town", "moon")
QUICK = (
    'recommend.features=["id", "clip", "shuffled", "random"]',
    *("recommend.width=16", "recommend.epochs=12", "recommend.patience=12", "recommend.learning_rate=0.02"),
    *("recommend.days=10", "recommend.draws=200"),
)


def hexed(text):
    return hashlib.sha256(text.encode()).hexdigest()


def commit(store, table, rows, folder=""):
    columns = tables.contract(table).schema.names
    rows = [{name: value for name, value in (ORIGIN | row).items() if name in columns} for row in rows]
    columns = {name: [row.get(name) for row in rows] for name in {name for row in rows for name in row}}
    store.commit(table, folder, part_name([table, repr(rows)]), tables.rows(table, columns))


def kind_of(title):
    return int(title[1:]) % len(KINDS)


def vector(kind, noise):
    found = np.eye(8)[kind] + noise
    return (found / np.linalg.norm(found)).tolist()


def write(folder, titles=40, members=120, plays=14, seed=0):
    """A store with a picture of each title and its vector, and titles.csv and history.csv: nine in ten plays are of the
    kind that the member likes. Returns the store's folder."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"t{number:03}" for number in range(titles)]
    store = Store(str(folder / "store"))
    artworks = [
        {
            "artwork_id": f"{name}-1",
            "title_id": name,
            "uri": f"{name}.png",
            "image_sha256": hexed(name),
            "present": True,
        }
        | {"format": "png", "size": 1, "width": 1, "height": 1, "source": "here", "seen_at": START}
        for name in names
    ]
    commit(store, "artwork", artworks)
    key = "clip-1"
    commit(store, "model", [{"model_key": key, "backend": "clip", "fingerprint": "{}"}])
    vectors = [
        {"image_sha256": hexed(name), "model_key": key, "embedding": vector(kind_of(name), 0.1 * random.random(8))}
        for name in names
    ]
    commit(store, "image_embedding", vectors, key)
    with (folder / "titles.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["title_id", "name", "synopsis"])
        out.writerows(
            [name, f"Title {number}", f"A story of the {KINDS[kind_of(name)]}."] for number, name in enumerate(names)
        )
    with (folder / "history.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["member_id", "title_id", "event", "at", "minutes"])
        for member in range(members):
            liked = [name for name in names if kind_of(name) == member % len(KINDS)]
            days = np.sort(random.random(plays) * 60)
            for day in days:
                pool = liked if random.random() < 0.9 else names
                at = (START + timedelta(days=float(day))).isoformat()
                out.writerow([f"m{member:03}", str(random.choice(pool)), "play", at, 30])
    return folder


def arguments(folder, *settings):
    given = {"store": folder / "store", "input.titles": folder / "titles.csv", "input.history": folder / "history.csv"}
    wanted = [f"{name}={value}" for name, value in given.items()]
    wanted += [f"recommend.work={folder / 'work'}", *QUICK, *settings]
    return [f"--set={each}" for each in wanted]


def run(folder, *settings, flags=()):
    return cli.main("recommend", "doc", recommend.recommend, [*arguments(folder, *settings), *flags])


def values(folder):
    """Rows of the newest evaluation by (split, features, model)."""
    from featurize.storage import views

    with views.connect(Store(str(folder / "store"))) as db:
        rows = tables.arrow(db, "FROM latest_recommendation_value").to_pylist()
    return {(row["split"], row["features"], row["model"]): row for row in rows}
