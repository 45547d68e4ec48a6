"""Calls to storage that may never return, as on a stuck network disk: each has a time limit.

Nothing can end a thread that waits in the kernel. So the calls run in daemon threads, and one that takes too long is
left behind: neither the run nor the end of its process waits for it, and the thread that asks stays free for signals.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from featurize.errors import RunFailed

Item = TypeVar("Item")
Result = TypeVar("Result")

STUCK = 64
"""After so many calls that took too long it is the storage that hangs, not a file."""
GRACE = 1.0
"""Seconds that calls get to return when the run ends early, so that few are under way when the process ends."""


_under_way: set[threading.Thread] = set()


def calls_under_way() -> bool:
    """Whether a call of this process has not come back: one that took too long, or that was interrupted."""
    return bool(_under_way)


def answers(
    function: Callable[[Item], Result], items: Sequence[Item], *, threads: int, seconds: float = math.inf
) -> Iterator[tuple[Item, Result | None]]:
    """(item, function(item)) for every item as the calls return, in no order; None for one that took over `seconds`.

    Errors: what `function` raises; RunFailed when `STUCK` calls took too long.
    """
    todo = iter(items)
    lock = threading.Lock()  # guards the three next to it
    busy: dict[threading.Thread, tuple[Item, float]] = {}
    closed = False
    returned: SimpleQueue[tuple[Item, Result | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        me = threading.current_thread()
        while True:
            with lock:
                if closed:
                    return
                try:
                    item = next(todo)
                except StopIteration:
                    return
                busy[me] = item, time.monotonic()
            result, problem = None, None
            _under_way.add(me)
            try:
                result = function(item)
            except BaseException as error:
                problem = error
            finally:
                _under_way.discard(me)
            with lock:
                if busy.pop(me, None) is None:
                    return  # too late: another thread has taken this one's place
            returned.put((item, result, problem))

    def hire() -> None:
        threading.Thread(target=work, name="storage", daemon=True).start()

    def give_up() -> list[Item]:
        now = time.monotonic()
        with lock:
            late = {thread: item for thread, (item, since) in busy.items() if now - since > seconds}
            for thread in late:
                del busy[thread]
        return list(late.values())

    left, lost, tick = len(items), 0, min(1.0, seconds / 4)
    looked = time.monotonic()
    for _ in range(min(threads, left)):
        hire()
    try:
        while left:
            with suppress(Empty):
                item, result, problem = returned.get(timeout=tick)
                left -= 1
                if problem is not None:
                    raise problem
                yield item, result
            if time.monotonic() - looked < tick:
                continue
            for item in give_up():
                left, lost = left - 1, lost + 1
                if lost == STUCK:
                    raise RunFailed(
                        f"the storage hangs: {lost} files gave no answer within input.read_seconds = {seconds:g}, "
                        f"for example {item}"
                    )
                yield item, None
                hire()
            looked = time.monotonic()
    finally:
        with lock:
            closed = True
            busy_still = list(busy)
        grace = time.monotonic() + GRACE
        for thread in busy_still:
            thread.join(max(0.0, grace - time.monotonic()))


def answer(function: Callable[[str], Result], place: str, seconds: float = math.inf) -> Result:
    """function(place), while this thread stays free for signals. Errors: what `function` raises; RunFailed."""
    for _, result in answers(function, [place], threads=1, seconds=seconds):
        if result is not None:
            return result
    raise too_long(place, seconds)


def too_long(place: str, seconds: float) -> RunFailed:
    return RunFailed(f"{place} gave no answer within input.read_seconds = {seconds:g}")
