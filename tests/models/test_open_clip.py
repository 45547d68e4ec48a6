"""The open_clip backends against open_clip itself, used the way its README does."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_checkpoints
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from featurize.errors import RefusedInput, RunFailed
from featurize.images.decode import Limits, decode
from featurize.inference import clip
from featurize.inference.torch_device import inference, resolve_dtype
from featurize.models import open_clip_image, open_clip_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clip") / "checkpoint"
    tiny_checkpoints.build_clip(made)
    return made


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def settings(folder: Path, **changes: Any) -> clip.Settings:
    return clip.Settings(backend="open_clip_image", **{"model": str(folder), "dtype": "float32", **changes})


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (12, 8, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def embed(extractor: Any, items: list[Any]) -> np.ndarray:
    return np.asarray(extractor.extract([extractor.prepare(item) for item in items])["embedding"])


def reconfigure(folder: Path, **preprocess: Any) -> None:
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["preprocess_cfg"] |= preprocess
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("resize_mode", ["squash", "shortest", "longest"])
def test_images_get_the_numbers_of_open_clip(copy: Path, resize_mode: str) -> None:
    import open_clip

    reconfigure(copy, resize_mode=resize_mode, mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.4], interpolation="bilinear")
    pictures = [picture(seed, size) for seed, size in enumerate([(500, 750), (300, 200), (90, 120), (128, 128)])]
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{copy}")
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([preprocess(each) for each in pictures]), normalize=True)
    found = embed(open_clip_image.Extractor(settings(copy)), pictures)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_texts_get_the_numbers_of_open_clip(folder: Path) -> None:
    import open_clip

    texts = ["a romance", "a dark and stormy night", "x" * 500, "", "日本"]
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
        expected = model.eval().encode_text(tokens, normalize=True).numpy()
    np.testing.assert_allclose(embed(open_clip_text.Extractor(settings(folder)), texts), expected, atol=1e-5)
    assert clip.logit_scale(settings(folder)) == pytest.approx(model.logit_scale.exp().item())


@pytest.mark.parametrize("resize_mode", ["squash", "shortest", "longest"])
def test_a_strip_keeps_its_embedding_and_costs_little(copy: Path, resize_mode: str) -> None:
    reconfigure(copy, resize_mode=resize_mode)
    extractor = open_clip_image.Extractor(settings(copy))
    assert extractor.prepare(picture(0, (60_000, 1))).shape == (128, 128, 3)
    wide = picture(1, (16 * 40, 40))
    wider = Image.new("RGB", (18 * 40, 40), "gray")  # where it cuts the middle out, what is added is cut off
    wider.paste(wide, (40, 0))
    strip = wider if resize_mode == "shortest" else wide.resize((20 * 40, 40), Image.Resampling.BICUBIC)
    cosines = (embed(extractor, [wide]) * embed(extractor, [strip])).sum(axis=1)
    assert cosines.min() > 0.98


def test_a_reduced_jpeg_gives_the_embedding_of_the_whole_one(folder: Path) -> None:
    extractor = open_clip_image.Extractor(settings(folder))
    cosines = []
    for seed in range(8):
        file = io.BytesIO()
        picture(seed, (1000, 1500)).save(file, "JPEG", quality=90)
        whole = decode(file.getvalue(), Limits(), None)
        reduced = decode(file.getvalue(), Limits(), extractor.at_least)
        assert reduced.width < whole.width
        cosines.append((embed(extractor, [whole]) * embed(extractor, [reduced])).sum())
    assert np.mean(cosines) >= 0.99


def test_bfloat16_stays_close_to_float32(folder: Path) -> None:
    pictures = [picture(seed, (128, 128)) for seed in range(8)]
    exact = embed(open_clip_image.Extractor(settings(folder)), pictures)
    half = embed(open_clip_image.Extractor(settings(folder, dtype="bfloat16")), pictures)
    assert half.dtype == np.float32
    assert (exact * half).sum(axis=1).mean() >= 0.999


def test_weights_that_are_not_whole_are_refused(copy: Path) -> None:
    file = copy / "open_clip_model.safetensors"
    tensors = load_file(file)
    del tensors["visual.conv1.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(RefusedInput, match="open_clip_model"):
        open_clip_image.Extractor(settings(copy))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RefusedInput, match="open_clip_model"):
        open_clip_image.Extractor(settings(copy))
    file.rename(copy / "other.safetensors")
    with pytest.raises(RefusedInput, match="has no open_clip_model"):
        open_clip_image.Extractor(settings(copy))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "ViT-B-33", "pretrained": "openai"}, "no architecture 'ViT-B-33'"),
        ({"model": "ViT-B-32", "pretrained": "openay"}, "laion2b_s34b_b79k"),
        ({"model": "ViT-B-32"}, "neither a folder"),
    ],
)
def test_names_open_clip_does_not_know_are_refused(folder: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedInput, match=words):
        open_clip_image.Extractor(settings(folder, **changes))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_refused(folder: Path) -> None:
    with pytest.raises(RefusedInput, match="cuda"):
        open_clip_image.Extractor(settings(folder, device="cuda"))


def test_a_gpu_that_breaks_is_no_fault_of_a_picture() -> None:
    with pytest.raises(RunFailed, match="illegal memory access"), inference():
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def test_auto_is_a_plain_number_type_that_the_key_can_hold(folder: Path) -> None:
    assert resolve_dtype("auto", "cuda") == "bfloat16"
    resolved = resolve_dtype("auto", "cpu")
    auto = open_clip_image.Extractor.fingerprint(settings(folder, dtype="auto"))
    assert auto == open_clip_image.Extractor.fingerprint(settings(folder, dtype=resolved))
