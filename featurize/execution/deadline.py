"""Until when a run gives out work: a time of the day with its zone, the hours between two, or a duration.

After it no shard begins; those that have begun are finished and committed, and the next run goes on from there. A run
that begins outside the hours it may work in gives out none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from featurize.errors import RefusedInput

T = TypeVar("T")
_TIME = r"(\d\d?):(\d\d)(?::(\d\d))?"
_CLOCK = re.compile(rf"(?:{_TIME}\s+to\s+)?{_TIME}\s*(.*)")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)\s*h)?\s*(?:(\d+(?:\.\d+)?)\s*m(?:in)?)?\s*(?:(\d+(?:\.\d+)?)\s*s)?")
WANTED = (
    "wanted: a time of the day with its zone, such as 06:00 Europe/Paris, or hours of it, such as 22:00 to 06:00"
    " Europe/Paris, or a duration, such as 4h30m"
)


@dataclass(frozen=True)
class Deadline:
    """A moment (UTC) and how the settings put it; without one it never passes."""

    moment: datetime | None = None
    said: str = ""

    @classmethod
    def of(cls, said: str | None, begun: datetime) -> Deadline:
        """What `run.deadline` means for a run that begins at `begun`: the next such time of the day, or so much later;
        of hours of the day, their end where it begins in them, else `begun`.

        Errors: RefusedInput.
        """
        if said is None:
            return cls()
        text = said.strip()
        if clock := _CLOCK.fullmatch(text):
            *first, _, _, _, _ = clock.groups()
            end = _next(clock, clock.groups()[3:6], begun)
            late = first[0] is not None and _next(clock, first, begun) < end
            return cls(begun if late else end, text)
        parts = _DURATION.fullmatch(text.lower())
        if not text or parts is None:
            raise RefusedInput(f"run.deadline: '{said}' is refused; {WANTED}")
        hours, minutes, seconds = (float(part or 0) for part in parts.groups())
        try:
            return cls(begun + timedelta(hours=hours, minutes=minutes, seconds=seconds), text)
        except OverflowError as error:
            raise RefusedInput(f"run.deadline: '{said}' is refused; {WANTED}") from error

    @property
    def passed(self) -> bool:
        return self.moment is not None and datetime.now(UTC) >= self.moment

    def until(self, shards: Iterable[T]) -> Iterator[T]:
        """The shards that are asked for before it."""
        for shard in shards:
            if self.passed:
                return
            yield shard

    def __str__(self) -> str:
        return f"run.deadline = {self.said}"


NEVER = Deadline()


def _next(clock: re.Match[str], time: Sequence[str | None], begun: datetime) -> datetime:
    hour, minute, second = (int(part or 0) for part in time)
    zone = _zone(clock[0], clock[7])
    try:
        local = begun.astimezone(zone).replace(hour=hour, minute=minute, second=second, microsecond=0, fold=0)
    except ValueError as error:
        raise RefusedInput(f"run.deadline: '{clock[0]}' is refused; {WANTED}") from error
    if local.astimezone(UTC) <= begun:
        local += timedelta(days=1)  # by the clock on the wall, so also where the night has another hour
    return local.astimezone(UTC)


def _zone(said: str, name: str) -> tzinfo:
    if not name:
        raise RefusedInput(f"run.deadline: {said} does not say its zone; write {said} UTC, or {said} Europe/Paris")
    if name.upper() in ("Z", "UTC"):
        return UTC
    if offset := _OFFSET.fullmatch(name):
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        if ahead < timedelta(days=1):
            return timezone(-ahead if offset[1] == "-" else ahead)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RefusedInput(
            f"run.deadline: there is no time zone '{name}'; there are UTC, Europe/Paris, +01:00, ..."
        ) from error
