"""What `make` was given, as the command line of a job; it then becomes that job, exit code and all.

The Makefile hands its variables over in the environment, as they were typed: a quote, `$`, `#`, comma or blank in a
path means itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence

from featurize.errors import RefusedInput

PLACES = {
    "ARTWORK": "input.artwork",
    "TITLES": "input.titles",
    "HISTORY": "input.history",
    "IMPRESSIONS": "input.impressions",
    "PAIRS": "input.pairs",
    "DATE": "nightly.date",
    "STORE": "store",
}
STORE = {"STORE": "store"}
PAGE = {"STORE": "store", "HTML": "report.html"}
WORDS = {"TEXT": "words to find", "LIKE": "an artwork_id or a picture file", "HTML": "a file"}
NEVER_EMPTY = {"find": ("TEXT", "LIKE", "HTML"), "report": ("HTML",)}
SWITCH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


def arguments(job: str, given: Mapping[str, str]) -> list[str]:
    """The command line of `python -m jobs.<job>`. Errors: RefusedInput naming the variable."""
    for name in PLACES:
        if given.get(name) == "":
            raise RefusedInput(f"{name} is given and empty; leave it out, or say where that is")
    if given.get("SHOW") == "":
        raise RefusedInput("SHOW is given and empty; leave it out, or give a member, an impression or a prompt")
    for name in NEVER_EMPTY.get(job, ()):
        if not given.get(name, name).strip():
            raise RefusedInput(f"{name} is given and empty; leave it out, or give {WORDS[name]}")
    if job == "bench":
        flags = [f"--artwork={given['ARTWORK']}"] if "ARTWORK" in given else []
        flags += [f"--only={name}" for name in given.get("ONLY", "").split()]
        return flags + [f"--set={setting}" for setting in settings(given.get("SET", ""))]
    if job == "headroom":
        return [given["DEMO"]] if given.get("DEMO") else []
    flags = [f"--profile={given['PROFILE']}"] if given.get("PROFILE") else []
    places = PLACES | {"DEMO": "input.demo", "SHOW": "prompts.show"}
    places = {"sql": STORE, "find": STORE, "report": PAGE}.get(job, places)
    # As a TOML string, for a folder may be called null or 2026.
    texts = {name: json.dumps(given[name], ensure_ascii=False) for name in places if given.get(name)}
    flags += [f"--set={places[name]}={text}" for name, text in texts.items()]
    if job == "sql":
        return flags + ([f"-c{given['ASK']}"] if given.get("ASK") else [])
    flags += [f"--set={setting}" for setting in settings(given.get("SET", ""))]
    if job == "find":
        if "TEXT" in given and "LIKE" in given:
            raise RefusedInput("TEXT and LIKE are both given: it is one or the other")
        if "TEXT" not in given and "LIKE" not in given:
            raise RefusedInput('say what to find: TEXT="two people at sunset", or LIKE=<artwork_id or picture file>')
        return flags + [f"--{name.lower()}={given[name]}" for name in ("TEXT", "LIKE", "TOP", "HTML") if name in given]
    if given.get("RUN_ID"):
        flags.append(f"--run-id={given['RUN_ID']}")
    dry_run = given.get("DRY_RUN", "").strip().lower()
    if dry_run not in SWITCH:
        raise RefusedInput(f"DRY_RUN={given['DRY_RUN']}: 1 for a dry run, 0 or nothing for a run")
    return flags + ["--dry-run"] * SWITCH[dry_run]


def settings(text: str) -> list[str]:
    """The `a.b=value` of SET, which blanks separate; a value in quotes or brackets may have some, as TOML has it."""
    found: list[str] = []
    begun = ""
    for word in re.findall(r"\S+\s*", text.lstrip()):
        begun += word
        if not _open(begun):
            found.append(begun.strip())
            begun = ""
    if begun:
        raise RefusedInput(f"SET: a quote or bracket of {begun.strip()} is not closed")
    return found


def _open(setting: str) -> bool:
    """Whether its value begins with a quote or bracket, and is no TOML yet."""
    value = setting.partition("=")[2].strip()
    if not value.startswith(('"', "'", "[", "{")):
        return False
    try:
        tomllib.loads(f"x = {value}")
    except tomllib.TOMLDecodeError:
        return True
    return False


def main(argv: Sequence[str]) -> int:
    """Does not return when all is well."""
    (job,) = argv
    try:
        command = [sys.executable, "-m", f"jobs.{job}", *arguments(job, os.environ)]
    except RefusedInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
