"""All settings there are: what each may be, its default, and what it is for.

Printed as a page of the terminal, or with `--markdown` as docs/settings.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from featurize import config
from jobs import cli

HEAD = """# Settings

Put them into a profile (`PROFILE=mine.toml`) or set single ones (`SET="run.threads=4 describe.max_new_tokens=200"`).
SET wins, and `null` unsets a setting. [GPUs](gpus.md) has examples of model sections, `infra/profiles` whole profiles.

Made from the settings' declarations by `.venv/bin/python -m jobs.settings --markdown > docs/settings.md`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jobs.settings", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--markdown", action="store_true", help="as docs/settings.md")
    print("\n".join(markdown() if parser.parse_args(argv).markdown else page()))
    return 0


def page() -> Iterator[str]:
    """Lines no wider than the terminal."""
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    for chapter in config.chapters():
        yield from ("", *textwrap.wrap(chapter.title, width), *textwrap.wrap(chapter.words, width))
        for setting in chapter.settings:
            line = f"{setting.key} = {setting.default} ({setting.values})"
            for words, indent in ((line, "  "), (setting.description, "      ")):
                yield from textwrap.wrap(words, width, initial_indent=indent, subsequent_indent="      ")


def markdown() -> Iterator[str]:
    """The lines of docs/settings.md."""
    yield HEAD.rstrip()
    for chapter in config.chapters():
        yield f"\n## {chapter.title}\n\n{chapter.words}\n\n| setting | values | default | |\n|---|---|---|---|"
        for setting in chapter.settings:
            default = setting.default if setting.default == config.MUST else f"`{setting.default}`"
            cells = (f"`{setting.key}`", setting.values, default, setting.description)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(cli.heard(main))
