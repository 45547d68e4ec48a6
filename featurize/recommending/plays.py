"""Plays as arrays, and the splits that cut them into what is learnt from and what is asked.

A case is a title that a member plays for the first time, to be found among all titles. Known are the member's plays
from before; these are no answers (masked), and where a split goes by days, neither are the others first played on that
day. Invariant: nothing that training or a history sees is from the day of a case, or later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
DAY = 86_400_000_000
"""Microseconds."""
LAST = 13
"""Titles of a member that MicroLens keeps, the last ones."""


@dataclass(frozen=True)
class Hyper:
    """What training depends on beside its data. `length`: plays that a member's vector is made of, the last ones."""

    width: int
    length: int
    epochs: int
    patience: int
    batch: int
    learning_rate: float
    dropout: float


@dataclass(frozen=True)
class Plays:
    """Plays in order of member and time: `member`, `title` (n,) as numbers, `at` (n,) in microseconds since 1970."""

    member: Ints
    title: Ints
    at: Ints
    titles: int

    def __post_init__(self) -> None:
        pair = self.member * self.titles + self.title
        first = np.zeros(len(pair), bool)
        first[np.unique(pair, return_index=True)[1]] = True
        begins = np.searchsorted(self.member, self.member)
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "begin", begins)

    first: Any = None
    """(n,) whether it is the member's first of the title."""
    begin: Any = None
    """(n,) number of the first row of the same member."""

    def rows(self, which: NDArray[np.bool_]) -> Plays:
        return Plays(self.member[which], self.title[which], self.at[which], self.titles)

    def chunks(self, length: int) -> Ints:
        """(chunks, 2) ranges of at most `length` + 1 rows of a member, the last of each the first of the next."""
        found = []
        ends = np.append(np.flatnonzero(np.diff(self.member)) + 1, len(self.member))
        for end in ends[ends > 0]:
            begin = self.begin[end - 1]
            while end - begin > 1:
                low = max(begin, end - 1 - length)
                found.append((low, end))
                end = low + 1
        return np.array(found, np.int64).reshape(-1, 2)

    def inputs(self, chunks: Ints) -> Ints:
        """(chunks, most) titles of all rows of each but its last one; what is beyond its end is title 0."""
        length = max(1, int((chunks[:, 1] - chunks[:, 0]).max(initial=2)) - 1)
        row = chunks[:, :1] + np.arange(length)
        inside = row < chunks[:, 1:] - 1
        return np.where(inside, self.title[np.minimum(row, len(self.title) - 1)], 0)

    def targets(self, chunks: Ints) -> tuple[Ints, Ints]:
        """(chunk, place of the input) of each row of a chunk, after its first, that is a first play."""
        length = max(1, int((chunks[:, 1] - chunks[:, 0]).max(initial=2)) - 1)
        row = chunks[:, :1] + 1 + np.arange(length)
        wanted = (row < chunks[:, 1:]) & self.first[np.minimum(row, len(self.title) - 1)]
        at, place = np.nonzero(wanted)
        return at, place

    def played_before(self, row: Ints) -> tuple[Ints, Ints]:
        """(place in `row`, title) of every play of the same member before each of these rows."""
        lengths = row - self.begin[row]
        case = np.repeat(np.arange(len(row)), lengths)
        within = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
        return case, self.title[np.repeat(self.begin[row], lengths) + within]


@dataclass(frozen=True)
class Cases:
    """What is asked: `title` (n,) of `member`, whose history are the rows `begin` to `end`; no answers are those of the
    rows `begin` to `masked`. `at` is the moment that is asked for: the day's first, or the play's.
    """

    member: Ints
    title: Ints
    begin: Ints
    end: Ints
    masked: Ints
    at: Ints
    absent: NDArray[np.bool_] | None = None
    """(titles,) which are not ranked."""

    def __len__(self) -> int:
        return len(self.title)


@dataclass(frozen=True)
class Split:
    """`learn` is what training sees, `plays` what histories are read from: `valid` and `test` have rows of it.

    `of` are the members of all cases of a split, whichever seed asks them, and `which` the places there of `test`.
    """

    learn: Plays
    plays: Plays
    valid: Cases
    test: Cases
    of: Ints
    which: Ints


def rolling_days(plays: Plays, days: int) -> Split:
    """The last `days` days are asked, each from all before it; those before them validate; the rest is learnt from."""
    day = plays.at // DAY
    last = int(day.max())
    learn = plays.rows(day <= last - 2 * days)
    valid, test = (_by_day(plays, (day > low) & (day <= low + days)) for low in (last - 2 * days, last - days))
    return _whole(learn, plays, valid, test)


def new_titles(plays: Plays, days: int, new: NDArray[np.bool_]) -> Split:
    """The same, but nobody has played the titles `new` (titles,) before the day asked for: which of them comes next?

    They are ranked among themselves: among others an id that was never trained stands anywhere, such as all new ones
    above all old ones, which says nothing of them. Validation has the old titles: of new ones nothing is known yet.
    """
    known = ~new[plays.title]
    whole = rolling_days(plays, days)
    old = rolling_days(plays.rows(known), days)
    asked = new[whole.test.title]
    # Histories without the new titles, by their places among the other rows.
    before = np.append(0, known.cumsum())
    test = Cases(
        whole.test.member[asked],
        whole.test.title[asked],
        before[whole.test.begin[asked]],
        before[whole.test.end[asked]],
        before[whole.test.masked[asked]],
        whole.test.at[asked],
        absent=~new,
    )
    valid = replace(old.valid, absent=new)
    return Split(old.learn, old.plays, valid, test, whole.of, np.flatnonzero(asked))


def leave_one_out(plays: Plays) -> Split:
    """As MicroLens does it: of the last 13 titles of each member the last one is asked, the one before validates."""
    firsts = plays.rows(plays.first)
    ends = np.searchsorted(firsts.member, firsts.member, side="right")
    place = ends - 1 - np.arange(len(ends))
    kept = firsts.rows(place < LAST)
    left = np.searchsorted(kept.member, kept.member, side="right") - 1 - np.arange(len(kept.member))
    enough = left + np.arange(len(left)) - kept.begin >= 2  # so that something is learnt of, and before, each
    found = []
    for which in (1, 0):
        row = np.flatnonzero((left == which) & enough)
        found.append(Cases(kept.member[row], kept.title[row], kept.begin[row], row, row, kept.at[row]))
    return _whole(kept.rows(left > 1), kept, *found)


def _whole(learn: Plays, plays: Plays, valid: Cases, test: Cases) -> Split:
    return Split(learn, plays, valid, test, test.member, np.arange(len(test)))


def _by_day(plays: Plays, which: NDArray[np.bool_]) -> Cases:
    """A case of each first play among `which` whose member has played something before that day."""
    row = np.flatnonzero(which & plays.first)
    day = plays.at // DAY
    key = plays.member * (day.max() + 2) + day
    end, masked = (np.searchsorted(key, key[row], side=side) for side in ("left", "right"))
    some = end > plays.begin[row]
    row, end, masked = row[some], end[some], masked[some]
    return Cases(plays.member[row], plays.title[row], plays.begin[row], end, masked, day[row] * DAY)
