"""A real sentence encoder for any machine: all-MiniLM-L6-v2, out of a wheel, as a folder that section text names."""

from __future__ import annotations

import sys

from featurize.errors import RunFailed
from featurize.inference import text_model


def main() -> int:
    try:
        print(text_model.make())
    except RunFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
