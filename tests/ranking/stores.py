"""Stores with prompts, and the rank job run on them as a person does."""

import shutil

import duckdb

from jobs import cli, rank
from tests.prompting import worlds


def with_prompts(folder, impressions=120, **changes):
    """A store with logged prompts of a small demo world, some held out, some without all propensities."""
    world = worlds.demo(impressions, of_titles=12, members=12, events=15)
    for row in world.impression[::3]:
        row["propensities"] = None
    world.write(folder)
    given = {"prompts__template": "multiple-choice-short-v1", "prompts__held_out": 8, **worlds.ANY_LOSS, **changes}
    assert worlds.run(folder, **given) == 0
    return folder / "store"


def copied(store, folder):
    shutil.copytree(store, folder / "store")
    return folder / "store"


def run(store, *flags, **changes):
    """Run the job in this process; `rank__orders=2` stands for rank.orders=2. Returns the exit code."""
    given = {"run__executor": "local", "rank__llm__cpus": 1, **changes}
    sets = [f"--set={name.replace('__', '.')}={value}" for name, value in given.items()]
    return cli.main("rank", rank.__doc__, rank.rank, [f"--set=store={store}", *sets, *flags])


def rows(store, query="FROM ranking ORDER BY ALL", **tables):
    """Rows of a query over the tables of a store, read as people read them."""
    with duckdb.connect() as db:
        for name in ("ranking", "prompt", "model", "quarantine", "choice"):
            if any((store / name).rglob("*.parquet")):
                db.execute(
                    f"CREATE VIEW {name} AS FROM read_parquet('{store}/{name}/**/*.parquet', union_by_name=true)"
                )
        return db.sql(query).to_arrow_table().to_pylist()
