"""Training files: JSON lines in the conversational form that TRL reads, of which it trains on the answer alone.

`sft-<split>.jsonl`: {"prompt": [...], "completion": [...]}; `dpo-<split>.jsonl`: {"prompt": [...], "chosen": [...],
"rejected": [...]}; each line also has its prompt_id, recipe_key, propensity and reward, for weights and for joining.
Each file appears whole. Source of the forms: huggingface.co/docs/trl/dataset_formats.
"""

from __future__ import annotations

import duckdb
import pyarrow.fs as pafs

from featurize.errors import RunFailed
from featurize.storage import views
from featurize.storage.store import filesystem

FIELDS = {"sft": ("prompt", "completion"), "dpo": ("prompt", "chosen", "rejected")}
KEPT = ("prompt_id", "recipe_key", "propensity", "reward")
SPLITS = ("train", "held_out")


def write(db: duckdb.DuckDBPyConnection, folder: str, recipe_key: str) -> dict[str, int]:
    """Write the four files of a recipe from views `prompt` and `label` of `db`.

    Returns the lines of each, and how many were left out. Errors: RefusedInput, RunFailed.
    """
    fs, path = filesystem(folder)
    counts = {}
    views.training(db, recipe_key)
    try:
        fs.create_dir(path)
        for name, fields in FIELDS.items():
            values = ", ".join(f"'{field}': {field}" for field in (*fields, *KEPT))
            for split in SPLITS:
                line = f"to_json({{{values}}})::VARCHAR AS line"
                query = f"SELECT {line} FROM {name} WHERE split = '{split}' ORDER BY prompt_id, line"
                counts[f"{name}-{split}.jsonl"] = _write_lines(db, query, fs, f"{path}/{name}-{split}.jsonl")
    except OSError as error:
        raise RunFailed(f"cannot write {folder}: {error}") from error
    left_out = db.execute("SELECT form, sum(rows)::BIGINT FROM training_left_out GROUP BY form ORDER BY form DESC")
    return counts | {f"{form} left out, same words": rows for form, rows in left_out.fetchall()}


def _write_lines(db: duckdb.DuckDBPyConnection, query: str, fs: pafs.FileSystem, path: str) -> int:
    hidden = path.replace("/sft-", "/.sft-").replace("/dpo-", "/.dpo-")
    lines = 0
    with fs.open_output_stream(hidden) as stream:
        for batch in db.sql(query).to_arrow_reader(10_000):
            for line in batch.column(0):
                stream.write(line.as_py().encode() + b"\n")
            lines += batch.num_rows
    fs.move(hidden, path)
    return lines
