"""Training files: JSON lines in the conversational form that TRL reads.

`sft-<split>.jsonl`: {"messages": [...]}; `dpo-<split>.jsonl`: {"prompt": [...], "chosen": [...], "rejected": [...]}.
Each file appears whole. Source of the forms: huggingface.co/docs/trl/dataset_formats.
"""

from __future__ import annotations

import duckdb
import pyarrow.fs as pafs

from featurize.errors import RunFailed
from featurize.storage.store import filesystem
from featurize.storage.tables import sql

FIELDS = {"sft": ("messages",), "dpo": ("prompt", "chosen", "rejected")}
SPLITS = ("train", "held_out")


def write(db: duckdb.DuckDBPyConnection, folder: str) -> dict[str, int]:
    """Write the four files from views `prompt` and `label` of `db`; returns the lines of each.

    Errors: RefusedInput, RunFailed.
    """
    fs, path = filesystem(folder)
    counts = {}
    try:
        fs.create_dir(path)
        db.execute(sql("storage", "view_labelled_prompt"))
        for name, fields in FIELDS.items():
            db.execute(sql("storage", f"view_{name}"))
            values = ", ".join(f"'{field}': {field}" for field in fields)
            for split in SPLITS:
                line = f"to_json({{{values}}})::VARCHAR AS line"
                query = f"SELECT {line} FROM {name} WHERE split = '{split}' ORDER BY prompt_id, line"
                counts[f"{name}-{split}.jsonl"] = _write_lines(db, query, fs, f"{path}/{name}-{split}.jsonl")
    except OSError as error:
        raise RunFailed(f"cannot write {folder}: {error}") from error
    return counts


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
