"""A captioner behind a real `transformers serve`, shared by the tests of this folder since it starts slowly."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in_endpoint import Reply, Seen, answering
from tiny_checkpoints import build_captioner

from featurize.models.openai_endpoint import Extractor, Settings

TRANSFORMERS_SERVE = (
    f"'{Path(sys.executable).with_name('transformers')}' serve {{weights}} --port {{port}} --device cpu"
)


@pytest.fixture(scope="session")
def endpoint_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("a folder")
    build_captioner(folder / "tiny model")
    return Settings(
        serve=TRANSFORMERS_SERVE,
        model=str(folder / "tiny model"),
        max_pixels=100 * 100,
        max_new_tokens=16,
        concurrency=4,
        backoff_s=0.2,
        start_s=120,
        log_dir=folder / "logs",
    )


def vectors_of(seen: Seen) -> Reply:
    """Somebody's `/v1/embeddings`: of each text the counts of a few letters, last one first."""
    texts = json.loads(seen.body)["input"]
    data = [{"index": i, "embedding": [1 + text.count(each) for each in "eioprv"]} for i, text in enumerate(texts)]
    return Reply(body=json.dumps({"data": data[::-1], "usage": {"prompt_tokens": 1}}))


@pytest.fixture(scope="session")
def embeddings() -> Iterator[str]:
    """The address of an endpoint that gives vectors of texts."""
    with answering(vectors_of) as server:
        yield server.address


@pytest.fixture(scope="session")
def served(endpoint_settings: Settings) -> Iterator[Extractor]:
    """An extractor that has started its own server."""
    extractor = Extractor(endpoint_settings)
    yield extractor
    extractor.close()
