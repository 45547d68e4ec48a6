"""From questions and the histories of their members to rows of `prompt`, whoever has them: the job itself, or a worker.

Reads tables `question`, `choice`, `event` and those of words (`title`, `genre`, `person`, ...).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurize.config import Prompts
from featurize.inference import letters
from featurize.prompting import before, history, parts, rebuild, recipe
from featurize.prompting.template import Template
from featurize.report import Spent
from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

COUNTED = 500
"""Prompts whose tokens are counted at once: their encodings take some ten times the memory of the texts."""


@dataclass(frozen=True)
class Wording:
    """What decides how a question is worded, and where its prompt goes. Picklable."""

    wanted: Prompts
    template: Template
    descriptions: str
    recipe_key: str
    held_out_up_to: int | None
    again: bool
    """Prompts that are there are made again."""
    store: Store
    fence: Fence
    origin: Origin

    @cached_property
    def tokenizer(self) -> tuple[Any, str]:
        return recipe.tokenizer(self.wanted)

    def recall(self, db: duckdb.DuckDBPyConnection) -> None:
        """The history of each question, as tables `recent`, `older`, `met`, `earlier_event` and `earlier_shown`."""
        db.execute(sql("prompting", "past"))
        history.recall(db, self.template)
        before.recall(db, self.store, self.template)
        db.execute(sql("prompting", "said_by_title" if self.template.history.titles else "said_each"))
        db.execute("DROP TABLE event")

    def write(
        self, db: duckdb.DuckDBPyConnection, computed_at: datetime, spent: Spent, advance: Callable[[int], None]
    ) -> npt.NDArray[np.int32]:
        """Render and commit all of `question`, part by part; returns how long each prompt is, in tokens.

        The time of committing is added to `spent`. Errors: RunFailed.
        """
        written: Future[None] | None = None
        lengths = [np.zeros(0, np.int32)]
        with ThreadPoolExecutor(1) as writer:
            for batch in parts.batches(db):
                rows = self._render(db, batch[0].first, batch[-1].last, computed_at)
                lengths.append(rows["tokens"].to_numpy())
                if written is not None:
                    written.result()
                written = writer.submit(self._commit, rows, batch, spent, advance)
            if written is not None:
                written.result()
        return np.concatenate(lengths)

    def _commit(self, rows: pa.Table, batch: list[parts.Part], spent: Spent, advance: Callable[[int], None]) -> None:
        tables.check("prompt", rows)
        for part in batch:
            some = rows.slice(part.first - batch[0].first, part.last - part.first + 1)
            folder, name = f"{self.recipe_key}/{part.day}", part_name(some["prompt_id"].to_pylist())
            with spent.on("write_s"):
                if self.again:
                    rebuild.stage(self.store, folder, some, self.fence)
                else:
                    self.store.commit("prompt", folder, name, some, self.fence.check)
            advance(some.num_rows)

    def _render(self, db: duckdb.DuckDBPyConnection, first: int, last: int, computed_at: datetime) -> pa.Table:
        """Rows of `prompt` for the questions from `first` to `last`."""
        moments = db.execute(
            "SELECT min(moment_no), max(moment_no) FROM question WHERE question_no BETWEEN $1 AND $2", [first, last]
        ).fetchall()[0]
        tokenizer, tokens_by = self.tokenizer
        parameters = {
            "first": first,
            "last": last,
            "first_moment": moments[0],
            "last_moment": moments[1],
            **self.template.most,
            "most": len(letters.LETTERS),
            "seed": self.wanted.seed,
            "kind": self.wanted.kind,
            "held_out_from": self.wanted.held_out_from,
            "held_out_up_to": self.held_out_up_to,
            "as_of": self.wanted.as_of,
            "template_key": self.template.key,
            "descriptions": self.descriptions,
            "recipe_key": self.recipe_key,
            "tokens_by": tokens_by,
            "run_id": self.origin.run_id,
            "code_version": self.origin.code_version,
            "computed_at": computed_at,
        }
        rows = tables.arrow(db, sql("prompting", "rows"), parameters).cast(tables.contract("prompt").schema)
        if tokenizer is None:
            return rows
        texts = rows["prompt"].to_pylist()
        some = (texts[begin : begin + COUNTED] for begin in range(0, len(texts), COUNTED))
        counted = [len(encoded) for each in some for encoded in tokenizer.encode_batch_fast(each)]
        field = rows.schema.field("tokens")
        return rows.set_column(rows.schema.get_field_index("tokens"), field, pa.array(counted, field.type))
