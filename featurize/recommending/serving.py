"""The vectors of a judged recommender as rows of `item_vector` and `member_vector`, for whoever serves them.

They are those of the training that was judged on split rolling_days, so they know nothing of the days that were asked;
members are as of their last play. A model's rows of items are written once, for its key covers what they follow from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from featurize.recommending.plays import Plays
from featurize.recommending.towers import Training
from featurize.storage import tables
from featurize.storage.tables import Origin

Vectors = NDArray[np.float32]


def items(
    training: Training, titles: Sequence[str], artworks: Sequence[str], known: Vectors | None, key: str, origin: Origin
) -> pa.Table:
    """Rows of titles, and of the artworks whose standardised vectors are `known` (artworks, d)."""
    vectors, played = training.titles(), training.played()
    rows: dict[str, Any] = {
        "kind": ["title"] * len(titles),
        "item_id": list(titles),
        "vector": vectors.tolist(),
        "played": [None] * len(titles) if played is None else played.tolist(),
    }
    if known is not None and len(artworks):
        rows["kind"] += ["artwork"] * len(artworks)
        rows["item_id"] += list(artworks)
        rows["vector"] += training.projected(known).tolist()
        rows["played"] += [None] * len(artworks)
    return _rows("item_vector", rows, key, origin)


def members(training: Training, plays: Plays, names: Sequence[str], key: str, origin: Origin) -> pa.Table:
    """Rows of the members, numbered as in `plays`."""
    number, begin = np.unique(plays.member, return_index=True)
    end = np.append(begin[1:], len(plays.member))
    as_of = datetime.fromtimestamp(int(plays.at.max()) / 1e6, UTC)
    rows = {
        "member_id": [names[each] for each in number],
        "vector": training.members(begin, end, plays).tolist(),
        "as_of": [as_of] * len(number),
    }
    return _rows("member_vector", rows, key, origin)


def _rows(name: str, columns: dict[str, Any], key: str, origin: Origin) -> pa.Table:
    count = len(columns["vector"])
    more = {"model_key": [key] * count, **origin.columns(count), "computed_at": [datetime.now(UTC)] * count}
    return tables.rows(name, columns | more)
