"""On object storage, where nothing can be exchanged: which parts were made of which, `_compacted/<table>.json`.

The parts as committed stay for ever, so the plain glob `**/*.parquet` is right at any moment. What compaction makes of
them lies beside them under names that it does not match (`_<name>.compacted`), and counts from the moment when this
file names it, which one upload replaces as a whole. So a reader who follows it finds each row once, whichever came
first, the listing or the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from featurize.errors import RunFailed

FOLDER = "_compacted"
SUFFIX = ".compacted"


@dataclass(frozen=True)
class Compacted:
    """Of one table: the parts that were made, and those that they stand for; names below the store."""

    made: frozenset[str] = frozenset()
    instead: frozenset[str] = frozenset()
    dropped: Mapping[str, datetime] = field(default_factory=dict)
    """Parts that were made once and of which others were made since, and when that was."""

    @classmethod
    def parse(cls, text: bytes | None) -> Compacted:
        """What the file of a table says; of one that is not there, that nothing was compacted."""
        if text is None:
            return cls()
        said = json.loads(text)
        dropped = {name: datetime.fromisoformat(when) for name, when in said["dropped"].items()}
        return cls(frozenset(said["made"]), frozenset(said["instead"]), dropped)

    def text(self) -> bytes:
        dropped = {name: when.isoformat() for name, when in self.dropped.items()}
        return json.dumps({"made": sorted(self.made), "instead": sorted(self.instead), "dropped": dropped}).encode()

    def shown(self, listed: Mapping[str, int], root: str) -> dict[str, int]:
        """Of the files listed below `root`, which was done after reading the file, those that hold the rows.

        Errors: RunFailed when a part that was made is gone.
        """
        lost = {name for name in self.made if name.startswith(f"{root}/")} - listed.keys()
        if lost:
            raise RunFailed(f"{min(lost)}, which stands for compacted parts, is gone; remove the file in {FOLDER}")
        return {
            name: size
            for name, size in listed.items()
            if name in self.made or (name.endswith(".parquet") and name not in self.instead)
        }


def name(table: str) -> str:
    """The file of a table, below the store."""
    return f"{FOLDER}/{table}.json"


def part(folder: str, made_of: str) -> str:
    """The name of a part that stands for others; `folder` is that of the table, with the table."""
    return f"{folder}/_{made_of}{SUFFIX}"
