"""Why the right answer is right: reasons that a file gives, or that a teacher behind an endpoint writes.

The teacher is shown the prompt and the answer that led to a quality play, and asked for the reasons. Invariant: what
names another letter than that answer is never learnt from. A file that does so is refused; a teacher's words are kept
in table `rationale` with their status, and are asked for once.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from featurize.config import Teacher
from featurize.errors import BadImage, RefusedInput, RunFailed
from featurize.inference.chat_endpoint import ChatEndpoint
from featurize.report import Progress
from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin

ASK = (
    "The member watched the title when {answer} was shown, so the answer is {answer}. In two or three short sentences,"
    " say what in the member's history and in the artworks makes {answer} the right choice. End with the line"
    ' "Answer: {answer}".'
)
PART = 256
WAIT_S = 2.0
MOST_LOST = 0.2
"""Share of the asked-for rationales that may be of no use before the run ends."""
_NAMED = re.compile(
    r"\b(?:answer|choice|pick)\b\W{0,3}(?:is\b\W{0,3})?(?:option\b|artwork\b)?\W{0,3}(?P<after>[A-Za-z])\b(?!['’])"
    r"|\b(?P<before>[A-Z])\W{0,3} is the"
    r" (?:(?:\w+ )?(?:answer|choice|pick)|(?:best|right|correct) (?:artwork|candidate|one|option))\b",
    re.IGNORECASE,
)
_LAST_LINE = re.compile(r"(?:^|\n)[^\w\n]*answer\W+[A-Za-z]\W*$", re.IGNORECASE)
Row = Mapping[str, Any]


def named(text: str) -> str | None:
    """The letter that a text names as its answer, last of all; None where it names none."""
    found = [each["after"] or each["before"] for each in _NAMED.finditer(text)]
    found = [each for each in found if each != "a"]  # "the answer is a horror picture"
    return found[-1] if found else None


def reasons(text: str) -> str:
    """The text without a last line that only names the answer."""
    return _LAST_LINE.sub("", text).strip()


def of_file(uri: str, wanted: Sequence[Row]) -> tuple[dict[str, str], Counter[str]]:
    """(prompt_id -> reasons, of what rows there are by status), of the prompts of `wanted` (prompt_id and answer).

    Errors: RefusedInput naming file and prompt, also when it has a rationale of none of them.
    """
    reader = "read_parquet" if uri.endswith(".parquet") else "read_json"
    if not Path(uri).is_file():
        raise RefusedInput(f"posttrain.rationales: there is no file {uri}")
    answers = {row["prompt_id"]: row["answer"] for row in wanted}
    try:
        with tables.scratch() as db:
            rows = db.execute(f"SELECT prompt_id::VARCHAR, rationale::VARCHAR FROM {reader}($1)", [uri]).fetchall()
    except duckdb.BinderException as error:
        raise RefusedInput(f"posttrain.rationales: {uri} has no columns prompt_id and rationale") from error
    except duckdb.Error as error:
        raise RefusedInput(f"posttrain.rationales: {uri} cannot be read: {str(error).splitlines()[0]}") from error
    found: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for key, text in rows:
        if key not in answers:
            counts["of prompts not learnt from"] += 1
            continue
        if key in found:
            raise RefusedInput(f"posttrain.rationales: {uri} has two rationales of prompt {key}")
        letter = named(text or "")
        if letter is not None and letter != answers[key]:
            raise RefusedInput(
                f"posttrain.rationales: in {uri} the rationale of prompt {key} names the answer {letter}, and the right"
                f" one is {answers[key]}"
            )
        if words := reasons(text or ""):
            found[key] = words
        else:
            counts["empty"] += 1
    if not found:
        raise RefusedInput(f"posttrain.rationales: {uri} has a rationale of none of the {len(answers):,} prompts")
    if lacking := len(answers) - len(found):
        counts["lacking"] = lacking
    return found, counts


def fingerprint(teacher: Teacher) -> dict[str, Any]:
    """Of a teacher, for table `model`. Errors: RefusedInput when the settings do not name one."""
    if teacher.address is None or teacher.model is None or teacher.revision is None:
        raise RefusedInput(
            "posttrain.method = sft_reasoning needs rationales: a file (posttrain.rationales), or a teacher"
            " (posttrain.teacher.address, .model and .revision)"
        )
    return {
        "backend": "teacher",
        "version": 1,
        "model": teacher.model,
        "revision": teacher.revision,
        "prompt": ASK,
        "max_new_tokens": teacher.max_new_tokens,
    }


def ask_missing(store: Store, teacher: Teacher, rows: Sequence[Row], key: str, origin: Origin, fence: Fence) -> None:
    """Have the teacher write the rationales that are not there, and commit them. Errors: RunFailed, RefusedInput."""
    there = _rows(store, key)
    missing = [row for row in rows if row["prompt_id"] not in there]
    if not missing:
        return
    with Progress("rationale", len(missing), "rationale") as progress:
        for made in _asked(teacher, missing):
            table = tables.rows("rationale", _columns(made, key, origin))
            store.commit("rationale", key, part_name([each["prompt_id"] for each in made]), table, fence.check)
            progress.advance(len(made))


def wait(store: Store, rows: Sequence[Row], key: str) -> None:
    """Until another process has had all of them written; it is this one's parent that ends both."""
    while not {row["prompt_id"] for row in rows} <= _rows(store, key).keys():
        time.sleep(WAIT_S)


def known(store: Store, rows: Sequence[Row], key: str) -> tuple[dict[str, str], Counter[str]]:
    """(prompt_id -> reasons, counts by status) of these rows, as far as they are there.

    Errors: RunFailed when many of them are of no use.
    """
    there = _rows(store, key)
    found = {row["prompt_id"]: there[row["prompt_id"]] for row in rows if row["prompt_id"] in there}
    counts = Counter(status for status, _ in found.values())
    lost = 1 - counts["ok"] / max(len(found), 1)
    if found and lost > MOST_LOST:
        told = ", ".join(f"{status} {count:,}" for status, count in sorted(counts.items()))
        raise RunFailed(f"{lost:.0%} of the teacher's rationales are of no use ({told}): look into table rationale")
    return {each: text for each, (_, text) in found.items() if text}, counts


def _rows(store: Store, key: str) -> dict[str, tuple[str, str | None]]:
    with tables.scratch() as db:
        store.register(db, "rationale", [key])
        found = db.execute("SELECT prompt_id, status, rationale FROM rationale").fetchall()
    return {prompt_id: (status, text) for prompt_id, status, text in found}


def _asked(teacher: Teacher, rows: Sequence[Row]) -> Iterator[list[dict[str, Any]]]:
    """Rationales, in parts of `PART`."""
    secret = None
    if teacher.api_key_env is not None:
        secret = os.environ.get(teacher.api_key_env)
        if not secret:
            raise RefusedInput(f"posttrain.teacher.api_key_env: the variable {teacher.api_key_env} is not set")
    endpoint = ChatEndpoint(
        str(teacher.address).rstrip("/"),
        connections=teacher.concurrency,
        timeout_s=teacher.timeout_s,
        attempts=6,
        backoff_s=1,
        api_key=secret,
    )
    try:
        with ThreadPoolExecutor(teacher.concurrency) as pool:
            for first in range(0, len(rows), PART):
                yield list(pool.map(lambda row: _one(endpoint, teacher, row), rows[first : first + PART]))
    finally:
        endpoint.close()


def _one(endpoint: ChatEndpoint, teacher: Teacher, row: Row) -> dict[str, Any]:
    *others, last = row["messages"]
    asked = {**last, "content": f"{last['content']}\n\n{ASK.format(answer=row['answer'])}"}
    body = {
        "model": teacher.model,
        "messages": [*others, asked],
        "max_tokens": teacher.max_new_tokens,
        "temperature": 0,
    }
    made = {"prompt_id": row["prompt_id"], "answer": row["answer"], "rationale": None}
    try:
        choice = endpoint.ask(json.dumps(body).encode()).choices[0]
    except BadImage as error:
        return {**made, "status": "refused", "raw": error.detail}
    text = choice.message.content or ""
    letter, words = named(text), reasons(text)
    if choice.finish_reason == "length":
        status = "cut"
    elif letter is not None and letter != row["answer"]:
        status = "other_answer"
    else:
        status = "ok" if words else "empty"
    return {**made, "status": status, "raw": text, "rationale": words if status == "ok" else None}


def _columns(made: Sequence[Row], key: str, origin: Origin) -> dict[str, list[Any]]:
    return {
        **{name: [each[name] for each in made] for name in made[0]},
        "model_key": [key] * len(made),
        **origin.columns(len(made)),
        "computed_at": [datetime.now(UTC)] * len(made),
    }
