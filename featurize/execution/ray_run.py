"""The executor on Ray: one loaded model per actor, one shard in flight on each.

It calls the same `run_shard` as the in-process executor and adds what only processes can give: a worker that dies or
makes no progress is replaced, and its shard is cut into pieces until the picture that did it is alone. Only ids and
counts pass between processes. This is the only file that imports ray.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.metrics import Gauge

from featurize import metrics
from featurize.errors import ArtworkError, BadImage, Reason, RefusedInput, RunFailed
from featurize.execution import ray_guard
from featurize.execution.deadline import NEVER, Deadline
from featurize.execution.fitting import CPUS_OF_A_WORKER, fit, named
from featurize.execution.plan import Shard
from featurize.execution.run import Advance, Outcome, Work
from featurize.execution.watch import Shift
from featurize.inference.extractor import Placement
from featurize.inference.server_guard import RAY_MARK

log = logging.getLogger("featurize")

POLL_SECONDS = 0.5
DEATHS_ALONE = 2
"""How often a picture alone in its shard may end a worker before it is blamed: a node can be lost by chance."""
DEATHS_AT_START = 3
"""Workers that may die one after another while they load the model."""
SETTLE_SECONDS = 1.0
"""Ray says that a worker is gone a moment before its process is: only then does what it committed stand still."""


def start() -> None:
    """Connect to the cluster of RAY_ADDRESS, or start a Ray of this machine's size. Idempotent.

    Errors: RunFailed when the cluster does not answer.
    """
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    address = os.environ.get("RAY_ADDRESS")
    # Nothing but ids passes through the object store.
    own: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": 128 * 2**20}
    if address:
        _refuse_deaf(address)
    with nullcontext() if address else _guarded():
        # Ray has a handler of its own for SIGTERM, and one below Python that prints where it came.
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, RayError) as error:
            raise RunFailed(f"the Ray cluster at RAY_ADDRESS={address} does not answer: {error}") from error
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in handlers.items():
                    signal.signal(number, handler)
    if address:
        _tell_of_metrics()


def _tell_of_metrics() -> None:
    """From now on the cluster is told of metrics. A gauge for counters too: it is set, not added to."""
    gauges: dict[str, Gauge] = {}

    def tell(samples: metrics.Samples) -> None:
        for name, values in samples.items():
            told = metrics.METRICS[name]
            gauge = gauges.setdefault(name, Gauge(name, description=told.words, tag_keys=told.labels))
            for labels, value in values.items():
                gauge.set(value, tags=dict(zip(told.labels, labels, strict=True)))

    metrics.also.append(tell)


@contextmanager
def _guarded() -> Iterator[None]:
    """What is started in here ends with this process, however that goes: a guard is started first."""
    if sys.platform != "linux":
        yield
        return
    mark = uuid.uuid4().hex
    subprocess.Popen(
        [sys.executable, "-I", ray_guard.__file__, str(os.getpid()), f"{RAY_MARK}={mark}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # Ray's processes write their titles over their environment unless they are told not to.
    before = {name: os.environ.get(name) for name in (RAY_MARK, "SPT_NOENV")}
    os.environ.update({RAY_MARK: mark, "SPT_NOENV": "1"})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _refuse_deaf(address: str) -> None:
    """Errors: RunFailed when nothing listens at `host:port`; Ray itself would try for a quarter of an hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return  # a word, such as "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise RunFailed(f"the Ray cluster at RAY_ADDRESS={address} does not answer: {error}") from error


def stop() -> None:
    """Leave the cluster; ends the Ray that `start` started."""
    _idle.clear()
    metrics.also.clear()
    ray.shutdown()


def places(settings: Placement, wait: float = 0) -> tuple[int, int]:
    """(workers, CPUs of each) that the nodes of the cluster hold. Errors: RefusedInput when they hold none.

    With `wait` seconds for nodes to come, as many workers as the settings say: what waits for a place is what makes a
    cluster grow, and those that get none until the work is done are never missed.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not (wait and os.environ.get("RAY_ADDRESS")):
        return fit(settings, nodes)
    with suppress(RefusedInput):
        room, cpus = fit(settings, nodes)
        return settings.workers or room, cpus
    return settings.workers or 1, settings.cpus or CPUS_OF_A_WORKER


class Worker:
    """The actor. `run` and `progress` are called in different threads of it."""

    def __init__(self) -> None:
        self.phase: Any = None
        self.model: Any = None
        self.shard_id = ""
        self.finished = 0
        self.shift: Any = None

    def load(self, phase: Work) -> None:
        """Load the model of a phase."""
        self.shift = Shift(phase.settings)
        self.phase, self.model = phase, phase.load()

    def run(self, shard: Shard) -> Outcome:
        self.shard_id, self.finished = shard.id, 0
        outcome: Outcome = self.phase.run(shard, self.model, self._advance)
        self.shift.add_to(outcome.spent)
        return outcome

    def progress(self) -> tuple[str, int]:
        """The shard at work and how many of its items are finished."""
        return self.shard_id, self.finished

    def close(self) -> None:
        if self.model is not None:
            self.model.close()
        self.model = None

    def _advance(self, items: int) -> None:
        self.finished += items


_idle: list[tuple[int, Any]] = []
"""Actors that have let go of their model, with their CPUs: importing torch takes longer than loading a small model.
None has a GPU, part of whose memory a process keeps for as long as it lives."""


@dataclass
class _Slot:
    """A place for a worker, and what the one in it is doing."""

    actor: Any
    pending: Any
    """Reference of the call waited for: `load` first, then `run` of `shard`."""
    shard: Shard | None = None
    placed: bool = False
    """Whether a node has room for the worker, and it has answered."""
    poll: Any = None
    counted: int = 0
    moved_at: float = 0.0


class RayExecutor:
    """Runs the shards of a phase on up to `workers` actors. Use `outcomes` once."""

    def __init__(
        self,
        phase: Work,
        advance: Advance,
        *,
        workers: int,
        stall_seconds: float,
        wait_for_nodes: float = 0,
        deadline: Deadline = NEVER,
    ) -> None:
        self.phase, self.advance, self.workers, self.stall_seconds = phase, advance, workers, stall_seconds
        self.deadline, self.wait_for_nodes = deadline, wait_for_nodes
        self.patience = max(stall_seconds, wait_for_nodes)
        self.placed_at = time.monotonic()
        self.slots: list[_Slot] = []
        self.closing: list[tuple[Any, Any]] = []
        self.todo: Iterator[Shard] = iter(())
        self.again: deque[Shard] = deque()
        self.deaths: Counter[str] = Counter()
        self.deaths_at_start = 0
        self.actor: Any = ray.remote(Worker)
        self.actor = self.actor.options(
            num_cpus=phase.cpus,
            num_gpus=phase.settings.gpus,
            max_concurrency=2,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(phase.cpus)}},
        )

    def outcomes(self, shards: Iterable[Shard]) -> Iterator[Outcome]:
        """One outcome per shard or piece of one, in the order they finish. Errors: RunFailed, RefusedInput."""
        shards = self.deadline.until(shards)
        first = list(islice(shards, self.workers))
        if not first:
            return
        self.todo = chain(first, shards)
        idle = self._take_idle(len(first))
        self.slots = [_Slot(*self._hire(actor)) for actor in (*idle, *[None] * (len(first) - len(idle)))]
        try:
            while self.slots:
                pending = {slot.pending: slot for slot in self.slots}
                done, _ = ray.wait(list(pending), timeout=POLL_SECONDS)
                for reference in done:
                    yield from self._collect(pending[reference])
                for slot in list(self.slots):
                    yield from self._watch(slot)
                self._refuse_to_wait()
            closed, _ = ray.wait([closed for _, closed in self.closing], num_returns=len(self.closing), timeout=30)
            if not self.phase.settings.gpus:
                _idle.extend((self.phase.cpus, actor) for actor, reference in self.closing if reference in closed)
                self.closing = [(actor, reference) for actor, reference in self.closing if reference not in closed]
        finally:
            for actor in [*(slot.actor for slot in self.slots), *(actor for actor, _ in self.closing)]:
                ray.kill(actor)

    def _take_idle(self, most: int) -> list[Any]:
        """The idle actors that fit this phase; the others go, for they hold CPUs."""
        fit = [actor for cpus, actor in _idle if cpus == self.phase.cpus and not self.phase.settings.gpus][:most]
        for _, actor in _idle:
            if actor not in fit:
                ray.kill(actor)
        _idle.clear()
        return fit

    def _hire(self, idle: Any = None) -> tuple[Any, Any]:
        actor = idle or self.actor.remote()
        return actor, actor.load.remote(self.phase)

    def _collect(self, slot: _Slot) -> Iterator[Outcome]:
        """Take what a worker has finished (its start, or a shard) and give it the next shard."""
        try:
            outcome = ray.get(slot.pending)
        except RayTaskError as error:
            if isinstance(error.cause, ArtworkError):
                raise error.cause from error
            raise RunFailed(f"a worker failed with {type(error.cause).__name__}: {error.cause}") from error
        except RayError as error:
            died = f"the worker died with this {self.phase.unit} ({_kind(error)})"
            yield from self._replace(slot, "worker_crashed", died)
            return
        self.deaths_at_start = 0
        slot.placed = True
        if slot.shard is None:
            self.advance(0)
        else:
            self._count(slot, len(slot.shard.items))
            yield outcome
        slot.shard = self._next()
        if slot.shard is None:
            self.slots.remove(slot)
            self.closing.append((slot.actor, slot.actor.close.remote()))
            return
        slot.counted, slot.moved_at, slot.poll = 0, time.monotonic(), None
        slot.pending = slot.actor.run.remote(slot.shard)

    def _next(self) -> Shard | None:
        """A piece of what a lost worker left, or what was planned next; nothing after the deadline."""
        if self.again:
            return None if self.deadline.passed else self.again.popleft()
        return next(self.todo, None)

    def _watch(self, slot: _Slot) -> Iterator[Outcome]:
        """Ask a worker how far it is; end one that has made no progress for too long."""
        if slot.poll is None:
            slot.poll = slot.actor.progress.remote()
        elif ray.wait([slot.poll], timeout=0)[0]:
            with suppress(RayError):  # dead: `_collect` finds out
                shard_id, finished = ray.get(slot.poll)
                slot.placed = True
                if slot.shard is not None and shard_id == slot.shard.id:
                    self._count(slot, finished)
            slot.poll = None
        if slot.shard is not None and time.monotonic() - slot.moved_at > self.stall_seconds:
            stalled = f"no progress for {self.stall_seconds:g} s with this {self.phase.unit}"
            yield from self._replace(slot, "timeout", stalled)

    def _refuse_to_wait(self) -> None:
        """Where nodes come when asked for, do not wait for workers without a place when nothing is left, nor for ever.

        Errors: RunFailed when no worker has had one for too long, as when the nodes are lost and none come.
        """
        if not self.wait_for_nodes:  # all that were asked for had room, and one that only starts may take long
            return
        waiting = [slot for slot in self.slots if slot.shard is None and not slot.placed]
        if not waiting:
            self.placed_at = time.monotonic()
            return
        if not self._work_is_left():
            for slot in waiting:
                ray.kill(slot.actor)
                self.slots.remove(slot)
            return
        if len(waiting) < len(self.slots):
            self.placed_at = time.monotonic()
        elif time.monotonic() - self.placed_at > self.patience:
            raise RunFailed(
                f"no node has had room for a worker of {named(self.phase.settings)} "
                f"({self.phase.settings.gpus:g} GPU, {self.phase.cpus} CPUs) for {self.patience:g} s; "
                "where nodes come when they are asked for, run.wait_for_nodes says how long to wait for them"
            )

    def _work_is_left(self) -> bool:
        """Whether a shard waits for a worker."""
        following = self._next()
        if following is not None:
            self.again.appendleft(following)
        return following is not None

    def _count(self, slot: _Slot, finished: int) -> None:
        if finished > slot.counted:
            self.advance(finished - slot.counted)
            slot.counted, slot.moved_at = finished, time.monotonic()

    def _replace(self, slot: _Slot, reason: Reason, detail: str) -> Iterator[Outcome]:
        """End a worker that is lost, save what can be saved of its shard, and hire another if work is left."""
        ray.kill(slot.actor)
        time.sleep(SETTLE_SECONDS)
        shard, slot.shard = slot.shard, None
        if shard is not None:
            self.advance(-slot.counted)
            yield from self._salvage(shard, reason, detail)
        else:
            self.deaths_at_start += 1
            if self.deaths_at_start >= DEATHS_AT_START:
                raise RunFailed(f"{self.deaths_at_start} workers died while loading {named(self.phase.settings)}")
        if self._work_is_left():
            self._let_go()
            slot.actor, slot.pending = self._hire()
            slot.placed, slot.poll = False, None
        else:
            self.slots.remove(slot)

    def _let_go(self) -> None:
        """End the workers that are done, for they hold CPUs: after the loss of a node there may be no others."""
        ray.wait([closed for _, closed in self.closing], num_returns=len(self.closing), timeout=30)
        for actor, _ in self.closing:
            ray.kill(actor)
        self.closing = []

    def _salvage(self, shard: Shard, reason: Reason, detail: str) -> Iterator[Outcome]:
        """A lost shard, less what is committed of it, is cut up and tried again; one picture alone is blamed."""
        kept, rest = self.phase.committed(shard)
        if len(rest.items) < len(shard.items):
            self.advance(len(shard.items) - len(rest.items))
            yield kept
        if len(rest.items) == 1:
            self.deaths[rest.id] += 1
            if reason == "timeout" or self.deaths[rest.id] >= DEATHS_ALONE:
                self.advance(1)
                yield self.phase.blame(rest, BadImage(reason, detail))
                return
        if rest.items:
            what = f"{len(rest.items)} {self.phase.unit}s"
            log.warning("a worker was lost (%s) with %s; they are tried in smaller pieces", reason, what)
            self.again.extend(rest.split())


def _kind(error: RayError) -> str:
    return type(error).__name__
