"""What every job's command line shares: its flags, its log, and exit codes.

0 done, 1 failed, 2 refused input, 3 another run holds the lease, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import select
import signal
import sys
import traceback
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import NoReturn, TextIO

import duckdb

from featurize import config
from featurize.errors import ArtworkError, LeaseHeld, RefusedInput, interrupted, sentence
from featurize.intake import waiting
from featurize.storage import secrets
from jobs.notify import Told

LONGEST_RUN_ID = 200
CODES: dict[type[ArtworkError], int] = {RefusedInput: 2, LeaseHeld: 3, ArtworkError: 1}
INTERRUPTED = "interrupted; what is committed stays, and the next run goes on from there"
UNHEARD = 128 + signal.SIGPIPE
"""What a shell says of a program that ended because the one it was piped into had."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(secrets.redact(message))


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return secrets.redact(super().format(record))


def parser(job: str, doc: str) -> argparse.ArgumentParser:
    """The flags of every job; people script against them."""
    made = _Parser(prog=f"python -m jobs.{job}", description=doc.splitlines()[0])
    made.add_argument("--profile", default="local", help="a name of infra/profiles or a TOML file (default: local)")
    made.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", help="override one setting; repeatable"
    )
    made.add_argument("--run-id", default=None, help="id of this run (default: made from the time)")
    made.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    return made


def main(
    job: str, doc: str, work: Callable[[config.Settings, str, bool], None], argv: Sequence[str] | None = None
) -> int:
    """Parse, load the settings, do the work; returns the exit code, with one sentence on stderr when it is not 0."""
    return heard(partial(_main, job, doc, work, argv))


def heard(work: Callable[[], int]) -> int:
    """The exit code of `work`; `UNHEARD`, without a word, where the reader of standard output went away meanwhile."""
    try:
        try:
            code = work()
        finally:
            sys.stdout.flush()
    except BrokenPipeError as error:
        if not _deaf(sys.stdout):
            return _say(sentence(f"the storage failed: {error}"), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in its buffer goes there
        return UNHEARD
    return code


def answered(work: Callable[[], int], stopped: str = "interrupted") -> int:
    """`heard`, of a command that leaves no run: where `work` fails, its exit code and one sentence on stderr."""
    try:
        return heard(work)
    except KeyboardInterrupt:
        return _say(stopped, 1)
    except ArtworkError as error:
        return _say(error, _code(error))
    except (OSError, duckdb.IOException) as error:
        return _say(sentence(f"the storage failed: {error}"), 1)


def _code(error: ArtworkError) -> int:
    return next(code for kind, code in CODES.items() if isinstance(error, kind))


def _deaf(stream: TextIO) -> bool:
    """Whether the other end of a pipe is closed."""
    poll = select.poll()
    poll.register(stream)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _main(job: str, doc: str, work: Callable[[config.Settings, str, bool], None], argv: Sequence[str] | None) -> int:
    arguments = parser(job, doc).parse_args(argv)
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(_Formatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[to_terminal])
    sys.excepthook = _unforeseen
    interrupted.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as for a job in the background of a shell
            signal.signal(number, _interrupt)
    told, code = Told(job), 1
    try:
        code = _attempt(arguments, work, told)
    except BrokenPipeError:
        code = UNHEARD
        raise
    finally:
        told.ended(code)
    return code


def _attempt(arguments: argparse.Namespace, work: Callable[[config.Settings, str, bool], None], told: Told) -> int:
    try:
        run_id = _run_id(arguments.run_id)
        settings = config.load(arguments.profile, arguments.set)
        if not arguments.dry_run:
            told.began(settings, run_id)
        work(settings, run_id, arguments.dry_run)
    except KeyboardInterrupt:
        return _say(INTERRUPTED, 1, told)
    except LeaseHeld as error:
        if settings.run.when_held == "skip":
            print(f"note: {secrets.redact(str(error))}; so nothing was done (run.when_held=skip)")
            told.leave_it()
            return 0
        return _say(error, CODES[LeaseHeld], told)
    except BrokenPipeError:
        raise
    except (ArtworkError, OSError, duckdb.Error, RuntimeError) as error:
        # DuckDB makes an error of its own of an interrupt that comes while it works or calls Python.
        if interrupted.is_set():
            return _say(INTERRUPTED, 1, told)
        if isinstance(error, ArtworkError):
            return _say(error, _code(error), told)
        if isinstance(error, duckdb.OutOfMemoryException):
            why = str(error).splitlines()[0]
            return _say(
                f"DuckDB needs more memory than it may take; where that is set, it is prompts.memory ({why})", 1, told
            )
        if isinstance(error, OSError | duckdb.IOException):
            return _say(sentence(f"the storage failed: {error}"), 1, told)
        raise
    return 0


def leave(code: int) -> NoReturn:
    """End the process. Where a call to the storage has not come back, without the clean-up that would wait for it."""
    if waiting.calls_under_way():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run_id(given: str | None) -> str:
    """The id that was given, which becomes the name of a file, or one made from the time. Errors: RefusedInput."""
    if given is None:
        return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    if not re.fullmatch(r"\w[\w.:+@~-]*", given) or len(given.encode()) > LONGEST_RUN_ID:
        raise RefusedInput(
            f"run id '{given}' is refused: it must begin with a letter or digit, have only these and . : + @ ~ _ - in "
            f"it, and be at most {LONGEST_RUN_ID} bytes long"
        )
    return given


def _interrupt(signum: int, frame: object) -> NoReturn:
    interrupted.set()
    raise KeyboardInterrupt


def _unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback, which is a fault of ours, tells no secret either."""
    sys.stderr.write(secrets.redact("".join(traceback.format_exception(kind, error, trace))))


def _say(problem: object, code: int, told: Told | None = None) -> int:
    if told is not None:
        told.problem = str(problem)
    print(f"error: {secrets.redact(str(problem))}", file=sys.stderr)
    return code
