"""Parts of the held-out rounds that are worth a look by themselves."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from featurize.evaluating.compare import Slice
from featurize.evaluating.rounds import Log

MOST_PARTS = 20
"""Of devices and themes: the most common ones."""
CANDIDATES = ((2, 2), (3, 4), (5, 8), (9, 52))


def slices(log: Log) -> list[Slice]:
    """By member, number of candidates, title, device and theme."""
    before = log.table["shown_before"].to_numpy()
    trained = log.table["title_trained"].to_numpy(zero_copy_only=False).astype(bool)
    known = log.table["with_history"].to_numpy(zero_copy_only=False).astype(bool)
    known |= not known.any()  # where no history is given, nobody is known to have none
    found = [
        Slice("member", "new, no history", (before == 0) & ~known),
        Slice("member", "never shown before", (before == 0) & known),
        Slice("member", "shown 1 to 9 times", (before > 0) & (before < 10)),
        Slice("member", "shown 10 times or more", before >= 10),
    ]
    for least, most in CANDIDATES:
        told = f"{least}" if least == most else f"{least} to {most}"
        found.append(Slice("candidates", told, (log.candidates >= least) & (log.candidates <= most)))
    found += [Slice("title", "in training", trained), Slice("title", "never in training", ~trained)]
    found += _named("device", log.table["device"].fill_null("unknown"), np.arange(len(log)), len(log))
    genres = log.table["genres"].combine_chunks()
    found += _named("theme", genres.flatten(), pa.compute.list_parent_indices(genres).to_numpy(), len(log))
    return [each for each in found if each.rows.any()]


def _named(name: str, values: pa.ChunkedArray | pa.Array, row: np.ndarray, rounds: int) -> list[Slice]:
    """A slice for each of the most common values; `row` is the round that each value is of."""
    counts = sorted(pa.compute.value_counts(values).to_pylist(), key=lambda each: (-each["counts"], each["values"]))
    found = []
    for each in counts[:MOST_PARTS]:
        rows = np.zeros(rounds, bool)
        rows[row[pa.compute.equal(values, each["values"]).to_numpy(zero_copy_only=False)]] = True
        found.append(Slice(name, each["values"] or "unknown", rows))
    return found
