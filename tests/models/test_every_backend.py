"""What every backend promises, checked on every file of featurize/models: a new one without an example here fails."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_checkpoints
from PIL import Image

from featurize.inference.extractor import model_key
from featurize.media.decode import HERTZ, Frames, Sound
from featurize.models import backends, load_backend
from featurize.storage import tables

PICTURES = [(300, 420)] * 8
STRIPS = [(1, 1), (3000, 1), (1, 3000), (2, 900)]
WRITTEN_BY_THE_RUN = {
    "clip_sha256",
    "image_sha256",
    "text_sha256",
    "text",
    "model_key",
    "run_id",
    "code_version",
    "computed_at",
}


@dataclass
class Example:
    """How to make a backend's settings, and changes of them that change the numbers."""

    settings: dict[str, Any]
    other_numbers: list[dict[str, Any]] = field(default_factory=list)
    lent_by: str | None = None
    """The fixture that has loaded one, where loading takes long."""


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory, embeddings: str) -> dict[str, Example]:
    folder = tmp_path_factory.mktemp("checkpoints")
    for seed in (0, 1):
        tiny_checkpoints.build_clip(folder / f"clip{seed}", seed=seed)
        tiny_checkpoints.build_captioner(folder / f"captioner{seed}", seed=seed)
        tiny_checkpoints.build_encoder(folder / f"encoder{seed}", seed=seed)
        tiny_checkpoints.build_captioner(folder / f"video{seed}", seed, tiny_checkpoints.VIDEO_TEMPLATE)
        tiny_checkpoints.build_whisper(folder / f"whisper{seed}", seed)
        tiny_checkpoints.build_qwen_audio(folder / f"audio{seed}", seed)
    prompt = folder / "short.txt"
    prompt.write_text("Describe this as JSON.", encoding="utf-8")
    clip = Example(
        {"model": f"local-dir:{folder}/clip0", "dtype": "float32"},
        [{"model": f"{folder}/clip1"}, {"dtype": "bfloat16"}, {"model": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"}],
    )
    captioner = {"model": f"{folder}/captioner0", "dtype": "float32", "max_new_tokens": 16, "max_pixels": 40_000}
    endpoint = {"model": f"{folder}/captioner0", "serve": "some-server {weights} --port {port}"}
    return {
        "fake": Example({}, [{"seed": 1}]),
        "fake_clip": Example({}, [{"frames": 5}]),
        "video_captioner": Example(
            {"model": f"{folder}/video0", "dtype": "float32", "max_new_tokens": 16, "max_pixels": 10_000, "frames": 4},
            [
                {"model": f"{folder}/video1"},
                {"dtype": "bfloat16"},
                {"prompt": str(prompt)},
                {"max_new_tokens": 9},
                {"max_pixels": 50_000},
                {"frames": 6},
            ],
        ),
        "frame_captioner": Example(
            {**captioner, "frames": 2},
            [
                {"model": f"{folder}/captioner1"},
                {"dtype": "bfloat16"},
                {"prompt": str(prompt)},
                {"max_new_tokens": 9},
                {"max_pixels": 50_000},
                {"frames": 3},
            ],
        ),
        "open_clip_image": clip,
        "open_clip_text": clip,
        "text_encoder": Example(
            {"model": f"{folder}/encoder0", "dtype": "float32"},
            [{"model": f"{folder}/encoder1"}, {"dtype": "bfloat16"}, {"pooling": "cls"}, {"max_tokens": 16}],
        ),
        "text_endpoint": Example(
            {"model": "m", "revision": "r", "address": embeddings}, [{"revision": "s"}, {"model": "n"}]
        ),
        "transformers_captioner": Example(
            captioner,
            [
                {"model": f"{folder}/captioner1"},
                {"dtype": "bfloat16"},
                {"prompt": str(prompt)},
                {"max_new_tokens": 9},
                {"max_pixels": 50_000},
            ],
        ),
        "speech": Example(
            {"model": f"{folder}/whisper0", "dtype": "float32", "max_new_tokens": 12},
            [
                {"model": f"{folder}/whisper1"},
                {"dtype": "bfloat16"},
                {"max_new_tokens": 9},
                {"language": "en"},
                {"silence_db": -40},
                {"voice": 0.6},
                {"model": None, "endpoint": {"address": "http://host:1/v1", "model": "m", "revision": "1"}},
            ],
        ),
        "sound_captioner": Example(
            {"model": f"{folder}/audio0", "dtype": "float32", "max_new_tokens": 16},
            [
                {"model": f"{folder}/audio1"},
                {"dtype": "bfloat16"},
                {"prompt": str(prompt)},
                {"max_new_tokens": 9},
                {"stretches": 2},
                {"silence_db": -40},
                {"model": None, "endpoint": {"address": "http://host:1/v1", "model": "m", "revision": "1"}},
            ],
        ),
        "openai_endpoint": Example(
            endpoint,
            [{"model": f"{folder}/captioner1"}, {"prompt": str(prompt)}, {"max_new_tokens": 9}, {"max_pixels": 50_000}],
            lent_by="served",
        ),
    }


SLOW = ("openai_endpoint", "video_captioner", "frame_captioner", "speech", "sound_captioner")
"""Backends whose tests take a while, as they start a server or have clips to go through."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in backends()],
)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def example(backend: str, examples: dict[str, Example]) -> Example:
    assert backend in examples, f"add an example for the backend {backend}"
    return examples[backend]


@pytest.fixture(scope="module")
def extractor(backend: str, example: Example, request: pytest.FixtureRequest) -> Iterator[Any]:
    if example.lent_by:
        yield request.getfixturevalue(example.lent_by)
        return
    loaded = load_backend(backend).Extractor(settings(backend, example.settings))
    yield loaded
    loaded.close()


def settings(backend: str, values: dict[str, Any]) -> Any:
    return load_backend(backend).Settings(backend=backend, **values)


def inputs(extractor: Any, sizes: list[tuple[int, int]]) -> list[Any]:
    if extractor.input == "text":
        return [f"a poster with {i} people, {'very ' * i}dark" for i, _ in enumerate(sizes)]
    rng = np.random.default_rng(0)
    if extractor.input == "frames":
        return [clip(rng, size, *extractor.frames) for size in sizes]
    if extractor.input == "audio":
        return [voice(seed, max(size) / 100) for seed, size in enumerate(sizes)]
    small = [Image.fromarray(rng.integers(0, 256, (6, 4, 3), np.uint8)) for _ in sizes]
    return [picture.resize(size, Image.Resampling.BICUBIC) for picture, size in zip(small, sizes, strict=True)]


def clip(rng: np.random.Generator, size: tuple[int, int], count: int, max_pixels: int) -> Frames:
    """As the decoder gives it: no frame is larger than wanted."""
    share = min(1.0, (max_pixels / (size[0] * size[1])) ** 0.5)
    given = (max(1, int(size[0] * share)), max(1, int(size[1] * share)))
    small = [Image.fromarray(rng.integers(0, 256, (6, 4, 3), np.uint8)) for _ in range(count)]
    times = tuple(10 * (number + 0.5) / count for number in range(count))
    return Frames(tuple(each.resize(given, Image.Resampling.BICUBIC) for each in small), times, 10.0, size)


def voice(seed: int, seconds: float) -> Sound:
    """A hum with the tones of vowels, which changes as syllables do: enough of a voice to be taken for one."""
    at = np.arange(int(seconds * HERTZ)) / HERTZ
    pitch = 2 * np.pi * (90 + 40 * seed) * np.cumsum(1 + 0.08 * np.sin(2 * np.pi * 2.3 * at)) / HERTZ
    formants = [700 + 300 * np.sin(2 * np.pi * 2 * at), 1200 + 500 * np.sin(2 * np.pi * 1.4 * at)]
    tones = [np.exp(-(((number * (90 + 40 * seed) - f) / 150) ** 2)) for number in range(1, 30) for f in formants]
    spoken = sum(tone * np.sin((n // 2 + 1) * pitch) for n, tone in enumerate(tones))
    spoken *= np.clip(np.sin(2 * np.pi * (2 + seed / 3) * at) + 0.6, 0, 1)
    return Sound((6000 * spoken / max(1.0, np.abs(spoken).max())).astype(np.int16), seconds)


def rows_of(extractor: Any, prepared: list[Any], batch_size: int) -> list[dict[str, Any]]:
    rows = []
    for start in range(0, len(prepared), batch_size):
        batch = prepared[start : start + batch_size]
        columns = extractor.extract(batch)
        assert {len(values) for values in columns.values()} == {len(batch)}
        rows += [{name: values[i] for name, values in columns.items()} for i in range(len(batch))]
    return rows


def assert_same(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> None:
    for one, other in zip(left, right, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_allclose(value, other[name], atol=1e-5)
            else:
                assert value == other[name]


def test_the_answer_depends_on_the_item_and_not_on_its_batch(extractor: Any) -> None:
    prepared = [extractor.prepare(item) for item in inputs(extractor, PICTURES)]
    assert len({extractor.group(item) for item in prepared}) == 1
    alone = rows_of(extractor, prepared, 1)
    assert len({str(row) for row in alone}) > 4
    for size in (3, 8):
        assert_same(rows_of(extractor, prepared, size), alone)
    assert_same(rows_of(extractor, prepared[::-1], 8), alone[::-1])


def test_rows_meet_the_contract_of_the_table(extractor: Any) -> None:
    rows = rows_of(extractor, [extractor.prepare(item) for item in inputs(extractor, PICTURES)], 8)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    own = {"text"} if extractor.table == "transcript" else set()
    assert set(columns) == set(tables.contract(extractor.table).schema.names) - (WRITTEN_BY_THE_RUN - own)
    if "embedding" in columns:
        embedding = np.stack(columns["embedding"])
        assert embedding.dtype == np.float32
        assert embedding.ndim == 2
        np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)


def test_specks_and_strips_are_handled(extractor: Any) -> None:
    for item in inputs(extractor, STRIPS):
        (row,) = rows_of(extractor, [extractor.prepare(item)], 1)
        assert all(np.isfinite(value).all() for value in row.values() if isinstance(value, np.ndarray))


def test_prepare_is_safe_from_several_threads(extractor: Any) -> None:
    items = inputs(extractor, PICTURES) * 4
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(extractor.prepare, items))
    assert_same(rows_of(extractor, together[-8:], 8), rows_of(extractor, [extractor.prepare(i) for i in items[:8]], 8))


def test_the_key_follows_the_numbers_and_nothing_else(backend: str, example: Example) -> None:
    def key(**changes: Any) -> str:
        given = settings(backend, {**example.settings, **changes})
        return model_key(load_backend(backend).Extractor.fingerprint(given))

    assert key() == key(workers=3) == key(cpus=2)
    if backend != "openai_endpoint":
        assert key() == key(batch_size=5)
    keys = [key(**changes) for changes in ({}, *example.other_numbers)]
    assert len(set(keys)) == len(keys) > 1


def test_the_key_is_stable_and_needs_no_torch(backend: str, example: Example) -> None:
    script = """
import json, sys
from featurize.inference.extractor import model_key
from featurize.models import load_backend
backend = load_backend(sys.argv[1])
key = model_key(backend.Extractor.fingerprint(backend.Settings(backend=sys.argv[1], **json.loads(sys.argv[2]))))
print(json.dumps([key, sorted({"torch", "transformers", "open_clip", "ray"} & set(sys.modules))]))
"""
    command = [sys.executable, "-c", script, backend, json.dumps(example.settings)]
    key, heavy = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert heavy == []
    assert key == model_key(load_backend(backend).Extractor.fingerprint(settings(backend, example.settings)))


def test_importing_a_backend_is_cheap_and_names_it(backend: str) -> None:
    assert Path(load_backend(backend).__file__).stem == backend
