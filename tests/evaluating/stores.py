"""Stores with logged prompts and rankings of them, written row by row, whose truth is known."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import numpy as np

from featurize.storage import tables
from featurize.storage.store import Store, part_name
from jobs import cli, evaluate

START = datetime(2026, 3, 1, tzinfo=UTC)
ORIGIN = {"run_id": "before", "code_version": "test", "computed_at": START}
RECIPE = "prompts-1"
LETTERS = "ABCDEFGHIJ"


def hexed(text):
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def commit(store, table, rows, folder=""):
    rows = [ORIGIN | row for row in rows]
    columns = {name: [row.get(name) for row in rows] for name in {name for row in rows for name in row}}
    store.commit(table, folder, part_name([repr(rows)]), tables.rows(table, columns))


def prompts(members=120, each=4, seed=0, held_out=2, **changes):
    """Rows of table prompt: member m likes the candidate m % K of every title, and plays it with 0.6, others with 0.2.

    Of each member's prompts the last `held_out` are held out. Production explores: half uniform, half the first one.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(members * each):
        member, nth = divmod(number, each)
        title = number % 7
        k = 2 + title % 3
        propensities = np.full(k, 0.5 / k) + 0.5 * (np.arange(k) == 0)
        shown = int(rng.choice(k, p=propensities))
        chance = 0.6 if shown == member % k else 0.2
        rows.append(
            {
                "prompt_id": hexed(f"prompt {number}"),
                "kind": "logged",
                "impression_id": f"i{number}",
                "member_id": f"m{member}",
                "title_id": f"t{title}-{nth >= each - held_out}",
                "asked_at": START + timedelta(hours=nth, seconds=member),
                "artwork_ids": [f"t{title}-{place}" for place in range(k)],
                "messages": [{"role": "user", "content": "Which?"}],
                "prompt": "Which?",
                "answer": LETTERS[shown],
                "reward": float(rng.random() < chance),
                "propensity": float(propensities[shown]),
                "propensities": propensities.tolist(),
                "device": ["phone", "television"][number % 2],
                "split": "held_out" if nth >= each - held_out else "train",
                "template_key": "template-1",
                "model_key": "words-1",
                "recipe_key": RECIPE,
                "tokens": 6,
                "tokens_by": "characters",
                **changes,
            }
        )
    return rows


def liked(row):
    return int(row["member_id"][1:]) % len(row["artwork_ids"])


def ranking(rows, key, choose):
    """Rows of table ranking: `choose(row)` gives the probability of each candidate, or the place it shows."""
    found = []
    for row in rows:
        chosen = choose(row)
        k = len(row["artwork_ids"])
        probability = np.eye(k)[chosen] if isinstance(chosen, int) else np.asarray(chosen, float)
        rank = np.argsort(np.argsort(-probability, kind="stable"), kind="stable") + 1
        for place, artwork in enumerate(row["artwork_ids"]):
            found.append(
                {
                    "prompt_id": row["prompt_id"],
                    "model_key": key,
                    "artwork_id": artwork,
                    "score": float(probability[place]),
                    "probability": float(probability[place]),
                    "rank": int(rank[place]),
                    "propensity": float(probability[place]),
                }
            )
    return found


def uniform(row):
    return np.full(len(row["artwork_ids"]), 1 / len(row["artwork_ids"]))


RANKERS = {"best-1": liked, "random-1": uniform, "first-1": lambda row: 0}


def write(folder, rows, rankers=RANKERS, titles=True):
    """A store of these prompts, ranked by these."""
    store = Store(str(folder))
    recipe = {"backend": "prompts", "kind": "logged", "held_out": {}}
    commit(store, "model", [{"model_key": RECIPE, "backend": "prompts", "fingerprint": json.dumps(recipe)}])
    commit(store, "prompt", rows, f"{RECIPE}/2026-03-01")
    held_out = [row for row in rows if row["split"] == "held_out"]
    for key, choose in rankers.items():
        commit(store, "model", [{"model_key": key, "backend": key.partition("-")[0], "fingerprint": "{}"}])
        commit(store, "ranking", ranking(held_out, key, choose), key)
    if titles:
        ids = sorted({row["title_id"] for row in rows})
        genres = {each: [["drama", "war"], ["comedy"]][int(each[1]) % 2] for each in ids}
        commit(store, "title_state", [{"title_id": each, "name": each, "genres": genres[each]} for each in ids])
    return store


def run(store, *settings, dry_run=False):
    """The exit code of `python -m jobs.evaluate`, without a plot: matplotlib takes seconds to load."""
    sets = [f"store={store.uri}", "evaluate.draws=200", "evaluate.plot=null", *settings]
    argv = [text for each in sets for text in ("--set", each)] + ["--dry-run"] * dry_run
    return cli.main("evaluate", evaluate.__doc__, evaluate.evaluate, argv)


def values(store, where="true"):
    """Rows of view latest_policy_value as dictionaries; without the other views, which take longer to make."""
    with tables.connect() as db:
        store.register(db, "policy_value")
        view = tables.sql("storage", "view_latest_policy_value").partition("COMMENT ON")[0]
        db.execute(view.replace("CREATE OR REPLACE VIEW", "CREATE TEMP VIEW"))
        found = db.execute(f"FROM latest_policy_value WHERE {where}")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
