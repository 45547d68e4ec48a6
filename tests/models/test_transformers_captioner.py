"""The captioner against transformers itself, and on three architectures."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_checkpoints
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from featurize import config
from featurize.errors import BadImage, RefusedInput
from featurize.inference import captions, multimodal
from featurize.models.transformers_captioner import Extractor, Settings, _cap_pixels

CAP = 60 * 28 * 28


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("captioner") / "checkpoint"
    tiny_checkpoints.build_captioner(made)
    return made


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def settings(folder: Path, **changes: Any) -> Settings:
    defaults = {"model": str(folder), "dtype": "float32", "max_new_tokens": 16, "max_pixels": CAP}
    return Settings(backend="transformers_captioner", **{**defaults, **changes})


def pictures(size: tuple[int, int], count: int = 4) -> list[Image.Image]:
    rng = np.random.default_rng(1)
    small = [Image.fromarray(rng.integers(0, 256, (6, 4, 3), np.uint8)) for _ in range(count)]
    return [each.resize(size, Image.Resampling.BICUBIC) for each in small]


def describe(extractor: Extractor, items: list[Image.Image]) -> dict[str, Any]:
    return dict(extractor.extract([extractor.prepare(item) for item in items]))


def reconfigure(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_text_is_that_of_transformers(folder: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    size = {"shortest_edge": 56 * 56, "longest_edge": CAP}
    content = [{"type": "image"}, {"type": "text", "text": captions.load_prompt("artwork-v1").text}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    items = [*pictures((300, 400)), *pictures((500, 100))]
    inputs = processor(text=[text] * 8, images=items, padding=True, return_tensors="pt", size=size)
    output = model.generate(**inputs, max_new_tokens=16, do_sample=False)[:, inputs["input_ids"].shape[1] :]

    extractor = Extractor(settings(folder))
    found = describe(extractor, items[:4])["raw_text"] + describe(extractor, items[4:])["raw_text"]
    assert found == processor.batch_decode(output, skip_special_tokens=True)
    assert len(set(found)) > 4


def test_sampling_settings_of_the_checkpoint_do_not_apply(folder: Path, copy: Path) -> None:
    expected = describe(Extractor(settings(folder)), pictures((200, 200)))
    reconfigure(copy / "generation_config.json", repetition_penalty=9.0, do_sample=True, temperature=5.0)
    assert describe(Extractor(settings(copy)), pictures((200, 200))) == expected


def test_an_answer_ends_at_its_end_token_or_at_the_cap(folder: Path, copy: Path) -> None:
    extractor = Extractor(settings(folder))
    whole = describe(extractor, pictures((200, 200)))
    assert whole["finish_reason"] == ["length"] * 4
    assert whole["status"] == ["truncated"] * 4
    assert whole["output_tokens"] == [16] * 4

    common = next(letter for letter in "".join(whole["raw_text"]) if letter.isascii() and letter.isprintable())
    end = json.loads((copy / "tokenizer.json").read_text())["model"]["vocab"][common]
    reconfigure(copy / "generation_config.json", eos_token_id=[end])
    cut = describe(Extractor(settings(copy)), pictures((200, 200)))
    ended = [common in text for text in whole["raw_text"]]
    assert any(ended)
    assert [reason == "stop" for reason in cut["finish_reason"]] == ended
    assert [status == "invalid_json" for status in cut["status"]] == ended
    for text, full, tokens in zip(cut["raw_text"], whole["raw_text"], cut["output_tokens"], strict=True):
        assert text == full.partition(common)[0] + common * (common in full)
        assert tokens <= 16


@pytest.mark.parametrize("size", [(3000, 2000), (40, 30), (1, 1), (5000, 2), (27, 4000), (777, 778)])
def test_visual_tokens_stay_within_the_areas(folder: Path, size: tuple[int, int]) -> None:
    extractor = Extractor(settings(folder, min_pixels=8 * 28 * 28))
    prepared = extractor.prepare(Image.new("RGB", size, "red"))
    visual = int(prepared["image_grid_thw"].prod()) // 4
    assert 8 <= visual <= 60
    assert describe(extractor, [Image.new("RGB", size, "red")])["prompt_tokens"][0] > visual


def test_smolvlm_takes_its_cap_as_a_long_side_in_whole_tiles() -> None:
    from transformers import SmolVLMImageProcessor

    for max_pixels, tokens in ((1_100_000, 2 * 2 + 1), (512 * 512, 1), (100, 1)):
        processor = SmolVLMImageProcessor(max_image_size={"longest_edge": 512})
        assert _cap_pixels(processor, 100, max_pixels) is False
        for size in ((1000, 1000), (90, 90)):
            pixels = processor(Image.new("RGB", size), return_tensors="pt")["pixel_values"]
            assert pixels.shape[1:] == (tokens, 3, 512, 512)


@pytest.mark.slow
def test_memory_does_not_grow(folder: Path) -> None:
    import gc

    def live() -> int:
        gc.collect()
        return sum(each.nbytes for each in gc.get_objects() if type(each) is torch.Tensor)

    extractor = Extractor(settings(folder))
    after = []
    for size in ((300, 400), (300, 400), (300, 400), (300, 400)):
        describe(extractor, pictures(size))
        after.append(live())
    assert after[1] == after[-1]


def test_a_picture_the_processor_refuses_is_bad_and_says_why(copy: Path) -> None:
    path = copy / "processor_config.json"
    image_processor = json.loads(path.read_text())["image_processor"]
    reconfigure(path, image_processor=image_processor | {"image_mean": [0.5] * 4})
    extractor = Extractor(settings(copy))
    with pytest.raises(BadImage, match="the processor refused it") as caught:
        extractor.prepare(Image.new("RGB", (100, 100)))
    assert caught.value.reason == "model_error"


def drop_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.visual.patch_embed.proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (drop_a_tensor, "lacks 1 of the model's weights"),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "no chat template"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot load"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 99), "cannot load"),
        (lambda folder: reconfigure(folder / "config.json", model_type="bert"), "cannot load"),
    ],
)
def test_a_folder_that_is_not_a_captioner_is_refused(copy: Path, spoil: Callable[[Path], object], words: str) -> None:
    spoil(copy)
    with pytest.raises(RefusedInput, match=words):
        Extractor(settings(copy))


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("index", ["model.safetensors.index.json", "pytorch_model.bin.index.json"])
def test_no_index_leads_to_a_pickle(copy: Path, tmp_path: Path, index: str) -> None:
    mark = tmp_path / "went off"
    torch.save(Bomb(mark), copy / "shard.bin")
    (copy / "model.safetensors").rename(copy / "other.safetensors")
    (copy / index).write_text(json.dumps({"metadata": {}, "weight_map": {"lm_head.weight": "shard.bin"}}))
    with pytest.raises(RefusedInput, match=f"{index} points at 'shard.bin'"):
        Extractor.fingerprint(settings(copy))
    with pytest.raises(RefusedInput, match=f"{index} points at 'shard.bin'"):
        Extractor(settings(copy))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ messages.nothing.at.all }}", "fails: UndefinedError"),
        ("{{ 1 / 0 }}", "fails: ZeroDivisionError"),
        ("{% for", "fails: TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "fails: SecurityError"),
        ("{{ messages.append(1) }}", "fails: SecurityError"),
        ("{{ raise_exception('no pictures, please') }}", "fails: TemplateError: no pictures, please"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "fails: RecursionError"),
        ("{{ range(10**9) }}", "fails: OverflowError"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "takes more than 0.5 s"),
        ("{% for a in range(99999) %}{{ a ~ 'x' * 50000 }}{% endfor %}", "takes more than 128 MiB"),
        ("{{ 'x' * 200000 }}", "writes more than 100,000 characters"),
    ],
)
def test_a_hostile_chat_template_is_one_sentence(
    folder: Path, template: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    processor.chat_template = template
    monkeypatch.setattr(multimodal, "_TEMPLATE_SECONDS", 0.5 if "0.5 s" in words else 10.0)
    monkeypatch.setattr(multimodal, "_TEMPLATE_KIB", 1 << 17)
    with pytest.raises(RefusedInput, match="the chat template of some/model ") as told:
        multimodal.fill_template(processor, [{"type": "image"}, {"type": "text", "text": "Describe."}], "some/model")
    assert words in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_one_with_the_weights_is_refused_as_the_model_loads(copy: Path) -> None:
    (copy / "chat_template.jinja").write_text("{{ messages.nothing.at.all }}")
    with pytest.raises(RefusedInput, match=r"the chat template of .*copy fails: UndefinedError"):
        Extractor(settings(copy))


TINY = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def save_random(model: Any, to: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:  # larger than a fresh model's, so that the picture shows in the words
            parameter.data.normal_(0, 0.2, generator=generator)
    model.save_pretrained(to)


def qwen3_vl(to: Path, tokenizer: Any) -> None:
    import transformers as t

    ids = tokenizer.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3], "mrope_interleaved": True}
    config = t.Qwen3VLConfig(
        text_config={
            **TINY,
            "vocab_size": len(tokenizer),
            "num_key_value_heads": 2,
            "head_dim": 16,
            "rope_parameters": rope,
        },
        vision_config={
            "depth": 2,
            "num_heads": 2,
            "hidden_size": 64,
            "out_hidden_size": 64,
            "intermediate_size": 64,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 64,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    save_random(t.Qwen3VLForConditionalGeneration(config), to)
    t.Qwen3VLProcessor(
        t.Qwen2VLImageProcessor(patch_size=16), tokenizer, t.Qwen3VLVideoProcessor(), tokenizer.chat_template
    ).save_pretrained(to)


def test_the_gpu_profile_gives_qwen3_vl_4_to_768_visual_tokens(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoProcessor

    tokenizer = AutoProcessor.from_pretrained(folder).tokenizer
    tokenizer.chat_template = (folder / "chat_template.jinja").read_text()
    qwen3_vl(tmp_path / "model", tokenizer)
    profile = config.load("gpu").describe
    extractor = Extractor(settings(tmp_path / "model", min_pixels=profile.min_pixels, max_pixels=profile.max_pixels))
    grids = [extractor.prepare(Image.new("RGB", size))["image_grid_thw"] for size in ((3000, 2000), (9, 6))]
    most, least = (int(grid.prod()) // 4 for grid in grids)
    assert 700 <= most <= 768
    assert 4 <= least <= 6


def llava(to: Path, tokenizer: Any) -> None:
    import transformers as t

    image = "<|image_pad|>"
    config = t.LlavaConfig(
        vision_config=t.CLIPVisionConfig(**TINY, image_size=56, patch_size=14, projection_dim=64),
        text_config=t.LlamaConfig(**TINY, vocab_size=len(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids(image),
    )
    save_random(t.LlavaForConditionalGeneration(config), to)
    t.LlavaProcessor(
        t.CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        chat_template=tokenizer.chat_template,
        image_token=image,
        num_additional_image_tokens=1,
    ).save_pretrained(to)


def smolvlm(to: Path, tokenizer: Any) -> None:
    import transformers as t

    image, frame, whole = "<image>", "<fake_token_around_image>", "<global-img>"
    cells = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer.add_special_tokens({"additional_special_tokens": [image, frame, whole, *cells]})
    for name, token in (("image_token", image), ("fake_image_token", frame), ("global_image_token", whole)):
        setattr(tokenizer, name, token)
        setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
    tokenizer.chat_template = tokenizer.chat_template.replace("<|vision_start|><|image_pad|><|vision_end|>", image)
    config = t.SmolVLMConfig(
        vision_config={**TINY, "image_size": 56, "patch_size": 14},
        text_config=t.LlamaConfig(**TINY, vocab_size=len(tokenizer), pad_token_id=0).to_dict(),
        image_token_id=tokenizer.convert_tokens_to_ids(image),
        scale_factor=2,
    )
    save_random(t.SmolVLMForConditionalGeneration(config), to)
    t.SmolVLMProcessor(
        t.SmolVLMImageProcessor(size={"longest_edge": 112}, max_image_size={"longest_edge": 56}),
        tokenizer,
        t.SmolVLMVideoProcessor(size={"longest_edge": 56}, max_image_size={"longest_edge": 56}),
        image_seq_len=4,
        chat_template=tokenizer.chat_template,
    ).save_pretrained(to)


@pytest.mark.parametrize("build", [qwen3_vl, llava, smolvlm])
def test_other_architectures_are_served_by_the_same_file(
    folder: Path, tmp_path: Path, build: Callable[[Path, Any], None]
) -> None:
    from transformers import AutoProcessor

    tokenizer = AutoProcessor.from_pretrained(folder).tokenizer
    tokenizer.chat_template = (folder / "chat_template.jinja").read_text()
    build(tmp_path / "model", tokenizer)
    extractor = Extractor(settings(tmp_path / "model"))
    items = pictures((300, 400))
    together = describe(extractor, items)
    assert together["output_tokens"] == [16] * 4
    alone = [describe(extractor, [item])["raw_text"][0] for item in items]
    assert together["raw_text"] == alone
    assert len(set(alone)) > 1
    with_more = describe(Extractor(settings(tmp_path / "model", max_pixels=4 * CAP)), pictures((3000, 2000), 1))
    assert with_more["prompt_tokens"][0] >= together["prompt_tokens"][0]
