"""The true rewards of a demo world's impressions, for those who want to know how right an estimate is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from featurize.demo import world
from featurize.storage import tables
from featurize.storage.tables import sql


def rewards(folder: Path, prompts: pa.Table) -> np.ndarray | None:
    """(n, K) expected reward of each candidate of `prompts`, 0 where there is none; None when they are of other logs.

    `prompts` has the columns impression_id, title_id, asked_at, artwork_ids and shown, the place of what was shown.
    They are of the world in `folder` when all of these stand in its impressions, and all candidates in its truth.
    Errors: RefusedInput naming a file that is not whole.
    """
    files = {name: folder / path for name, path in _FILES.items()}
    if not len(prompts) or not all(path.is_file() for path in files.values()):
        return None
    with tables.scratch() as db:
        db.register("prompt", prompts.append_column("number", pa.array(np.arange(len(prompts)))))
        for name, path in files.items():
            db.register(name, world.table(path))
        found = tables.arrow(db, sql("demo", "truth"))
    counts = pa.compute.list_value_length(prompts["artwork_ids"]).to_numpy()
    if len(found) != counts.sum():
        return None
    made = np.zeros((len(prompts), counts.max()))
    made[found["number"].to_numpy(), found["place"].to_numpy()] = found["expected_reward"].to_numpy()
    return made


_FILES = {"impression": "impression.parquet", "reward": "truth/reward.parquet"}
