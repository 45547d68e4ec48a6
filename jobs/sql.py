"""Ask a store questions in SQL: every table, and readable views on top of them.

Opens the DuckDB shell where there is one and it can read the store, else a small prompt of our own; `-c` asks a
question and ends, after the last one where several are given. Of the store only `catalog.duckdb` and `catalog.sql` are
written, where they are behind.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress

import duckdb

from featurize import config
from featurize.errors import ArtworkError, RefusedInput, RunFailed
from featurize.storage import secrets, views
from featurize.storage.store import Store
from jobs import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0; 1 when a question of `-c` fails, and later ones are not asked; 2 when there is no such store."""
    asked = parser().parse_args(argv)
    try:
        store = Store(config.load(asked.profile, asked.set).store)
        if not store.has_parts("run", "artwork"):
            raise RefusedInput(f"there is no store at {store.uri}; run a job first, or give --set store=...")
        if store.local:
            with suppress(RunFailed, OSError):  # a store that cannot be written can still be asked
                views.refresh(store)
        if not asked.command and store.local and (shell := shutil.which("duckdb")):
            return _shell(shell, store)
        with views.connect(store) as db:
            if asked.command:
                return 0 if all(_answer(db, question) for question in asked.command) else 1
            _converse(db, store)
    except ArtworkError as error:
        print(f"error: {secrets.redact(str(error))}", file=sys.stderr)
        return 2 if isinstance(error, RefusedInput) else 1
    return 0


def _shell(program: str, store: Store) -> int:
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as file:
        file.write(views.script(store))
        file.flush()
        return subprocess.run([program, "-init", file.name], check=False).returncode


def _converse(db: duckdb.DuckDBPyConnection, store: Store) -> None:
    if sys.stdin.isatty():
        import readline  # noqa: F401  (gives `input` a history and line editing)
    print(f"{store.uri}\nviews: {', '.join(('current_model', *views.READABLE))}\ntables: {', '.join(views.TABLES)}")
    print("End a question with ';', and the conversation with Ctrl-D.")
    question = ""
    while True:
        try:
            question += input("   ...> " if question else "sql> ") + "\n"
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if question.rstrip().endswith(";"):
            _answer(db, question)
            question = ""
        elif not question.strip():
            question = ""


def _answer(db: duckdb.DuckDBPyConnection, question: str) -> bool:
    """Print the answer, or what is wrong with the question."""
    try:
        for statement in db.extract_statements(question):
            answer = db.sql(statement.query)
            if answer is not None:
                answer.show(max_rows=40, max_width=shutil.get_terminal_size((160, 40)).columns)
    except duckdb.Error as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    return True


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m jobs.sql", description=(__doc__ or "").splitlines()[0])
    made.add_argument(
        "-c", dest="command", metavar="SQL", action="append", help="ask this and end; several are asked in their order"
    )
    made.add_argument("--profile", default="local", help="a name of infra/profiles or a TOML file (default: local)")
    made.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", help="override one setting, such as store=FOLDER"
    )
    return made


if __name__ == "__main__":
    sys.exit(cli.heard(main))
