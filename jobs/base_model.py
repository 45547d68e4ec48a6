"""A real pretrained LLM for any machine: SmolLM2-135M-Instruct, out of a wheel, as a folder to go on from."""

from __future__ import annotations

import sys

from featurize.errors import RunFailed
from featurize.posttraining import base_model


def main() -> int:
    try:
        print(base_model.make())
    except RunFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
