"""The bundled captioner: a Qwen2.5-VL of eight million parameters, trained from nothing.

It learns in the real classes of transformers. Two forwards are replaced while it trains by ones that compute the same
for a batch of equally large pictures in a fraction of the time.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from featurize.bundling import texts
from featurize.bundling.heads import Finder, Heads
from featurize.bundling.parts import MARKS, cell_targets, mark_targets
from featurize.bundling.scenes import TRAINING, Scenes, Shape, scene
from featurize.bundling.trainer import DECAY
from featurize.demo.render import Part
from featurize.demo.scenes import Scene

PATCH, MERGE = 8, 4
"""Pixels of a patch, about a letter of a title; patches of a visual token, each way."""
MAX_PIXELS = 30 * (PATCH * MERGE) ** 2
"""A poster becomes 128 × 192: 24 visual tokens."""
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # the processor's own
_WIDTH, _VISION_WIDTH = 192, 128
_MARKED = 2
"""Blocks of the vision network after which every patch is to know its marks: letters and heads."""
_LESSONS = ("whole", "near", "spell", "read")
"""What the batches teach in turn, until the learning rate has fallen by half: then all are of the first kind.

whole: pictures with their answers. near: windows about things in them, since much of a picture is sky. read: windows
about words. spell: the same for the lower blocks of the vision network alone, which is cheap. Seeing is what takes
long to learn, and letters longest.
"""
_WINDOWS_OF_ONE = 4  # pictures are not opened anew for every window
_WINDOWS = (Shape(2 * PATCH * MERGE, 4 * PATCH * MERGE), Shape(3 * PATCH * MERGE, 3 * PATCH * MERGE))
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] in ['image', 'image_url'] %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Captioner:
    """A `trainer.Task`."""

    batch_size = 32
    learning_rate = 1.5e-3
    unit = " pictures"
    ahead = 3
    meaning = ""

    def __init__(self, scenes: Scenes, seed: int = 0) -> None:
        self._scenes = scenes
        self._seed = seed
        self.tokenizer = texts.captioner_tokenizer(scene(TRAINING, i) for i in range(10_000))
        torch.manual_seed(seed)
        self.model = build(self.tokenizer)
        self.heads = Heads(_WIDTH)
        self.mark_head = Finder(_VISION_WIDTH, len(MARKS))
        self.module: nn.Module = nn.ModuleDict({"model": self.model, "heads": self.heads, "mark_head": self.mark_head})
        self.model.model.visual.blocks[_MARKED - 1].register_forward_hook(self._keep_patches)
        self._lower_blocks_only = False
        fast_forwards(self.model)
        shapes = [shape_of(*size) for size in scenes.sizes()]
        self._by_shape = {shape: np.flatnonzero([s == shape for s in shapes]) for shape in sorted(set(shapes), key=str)}
        self._shares = scenes.shares()
        self._image_token = self.model.config.image_token_id

    def batch(self, step: int, progress: float) -> dict[str, Any]:
        """Pictures of one shape, or windows of so many pixels in all, and what this step's lesson asks about them."""
        rng = np.random.Generator(np.random.PCG64([self._seed, 1, step]))
        shapes = list(self._by_shape)
        shape = shapes[rng.choice(len(shapes), p=[self._shares[self._by_shape[shape]].sum() for shape in shapes])]
        indices = self._by_shape[shape]
        shares = self._shares[indices] / self._shares[indices].sum()
        lesson = _LESSONS[step % len(_LESSONS)] if progress <= 1 - DECAY / 2 else "whole"
        if lesson == "whole":
            chosen = rng.choice(indices, self.batch_size, p=shares)
            shown = [self._scenes.scene(int(i)) for i in chosen]
            pictures = [self._scenes.picture(int(i), shape, rng) for i in chosen]
            choices = torch.from_numpy(texts.choice_targets(shown))
            return _marks(pictures) | _parts(pictures) | {"choices": choices} | self._words(shown, shape, rng)
        window = _WINDOWS[rng.integers(len(_WINDOWS)) if lesson == "near" else 0]
        count = self.batch_size * shape.height * shape.width // (window.height * window.width)
        chosen = np.repeat(rng.choice(indices, count // _WINDOWS_OF_ONE, p=shares), _WINDOWS_OF_ONE)
        about = None if lesson == "near" else "word"
        pictures = [self._scenes.picture(int(i), shape, rng, window, about) for i in chosen]
        return _marks(pictures) | ({} if lesson == "spell" else _parts(pictures))

    def _words(self, shown: list[Scene], shape: Shape, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        wording = texts.PROMPTS[0] if rng.random() < 0.6 else str(rng.choice(texts.PROMPTS[1:]))
        prefix = self.tokenizer(prompt(wording, shape), add_special_tokens=False)["input_ids"]
        end = self.tokenizer.convert_tokens_to_ids(texts.END)
        answers = [[*ids, end] for ids in self.tokenizer([texts.answer(s) for s in shown])["input_ids"]]
        longest = max(map(len, answers))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[*prefix, *ids, *[pad] * (longest - len(ids))] for ids in answers])
        labels = torch.tensor([[*ids, *[-100] * (longest - len(ids))] for ids in answers])
        return {"ids": ids, "labels": labels}

    def loss(self, batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """That of whatever the batch has targets for."""
        patches, grid = patchify(batch["pixels"])
        self._lower_blocks_only = "parts" not in batch
        visual: Any = None
        with contextlib.suppress(_Enough):
            tokens = self.model.model.get_image_features(patches, grid).pooler_output
            visual = torch.stack(tuple(tokens)) if isinstance(tokens, tuple | list) else tokens
            visual = visual.view(len(grid), -1, _WIDTH)
        loss, marks = self.mark_head(self._patches(grid), batch["marks"])
        figures = {"marks": marks}
        if "choices" in batch:
            seen, figures["choices"], figures["parts"] = self.heads(visual, batch["choices"], batch["parts"])
            loss = loss + seen
        elif "parts" in batch:
            seen, figures["windows"] = self.heads.parts(visual, batch["parts"])
            loss = loss + seen
        if "ids" in batch:
            words, figures["tokens"] = self._answer_loss(visual, grid, batch["ids"], batch["labels"])
            figures["words"] = words
            loss = loss + 3 * words
        return loss, figures

    def _keep_patches(self, block: nn.Module, inputs: Any, hidden: torch.Tensor) -> None:
        self._hidden = hidden
        if self._lower_blocks_only:
            raise _Enough

    def _patches(self, grid: torch.Tensor) -> torch.Tensor:
        """(patches, width), in the processor's order, of the block that is to know marks."""
        from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import get_vision_window_index

        visual = self.model.model.visual
        order, _ = get_vision_window_index(
            grid[:1], spatial_merge_size=MERGE, window_size=visual.window_size, patch_size=PATCH
        )
        tokens = self._hidden.view(len(grid), -1, MERGE * MERGE, _VISION_WIDTH)
        return functional.layer_norm(tokens[:, torch.argsort(order)].reshape(-1, _VISION_WIDTH), (_VISION_WIDTH,))

    def _answer_loss(
        self, visual: torch.Tensor, grid: torch.Tensor, ids: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        inner = self.model.model
        embedded = inner.language_model.embed_tokens(ids)
        is_image = ids == self._image_token
        embedded = embedded.masked_scatter(is_image[..., None], visual.to(embedded.dtype))
        positions, _ = inner.get_rope_index(ids[:1], is_image[:1].int(), image_grid_thw=grid[:1])
        hidden = inner.language_model(
            inputs_embeds=embedded, position_ids=positions.expand(-1, len(ids), -1), use_cache=False
        ).last_hidden_state
        answer = hidden[:, -labels.shape[1] - 1 : -1]  # each token is told by the one before it
        logits = self.model.lm_head(answer).flatten(0, 1).float()
        flat = labels.flatten()
        exact = (logits.argmax(1) == flat)[flat >= 0].float().mean()
        return functional.cross_entropy(logits, flat, ignore_index=-100), exact

    def export(self, folder: Path) -> None:
        """Write what `AutoModelForImageTextToText` and `AutoProcessor` load, in bfloat16."""
        from transformers import GenerationConfig, Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

        clean = build(self.tokenizer)
        clean.load_state_dict(self.model.state_dict())
        end, pad = self.tokenizer.convert_tokens_to_ids(texts.END), self.tokenizer.pad_token_id
        clean.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=pad, do_sample=False)
        clean.to(torch.bfloat16).save_pretrained(folder)
        size = {"shortest_edge": (PATCH * MERGE) ** 2, "longest_edge": MAX_PIXELS}
        options: dict[str, Any] = {"patch_size": PATCH, "merge_size": MERGE, "size": size}
        Qwen2_5_VLProcessor(
            image_processor=Qwen2VLImageProcessor(**options),
            tokenizer=self.tokenizer,
            video_processor=Qwen2VLVideoProcessor(**options),
            chat_template=CHAT_TEMPLATE,
        ).save_pretrained(folder)


class _Enough(Exception):
    """The rest of a forward is not needed."""


def _marks(pictures: list[tuple[np.ndarray, list[Part]]]) -> dict[str, torch.Tensor]:
    """The pixels, and which marks are in each patch."""
    height, width = (side // PATCH for side in pictures[0][0].shape[:2])
    marks = np.stack([mark_targets(parts, height, width) for _, parts in pictures])
    return {
        "pixels": torch.from_numpy(np.stack([pixels for pixels, _ in pictures])),
        "marks": _by_patch(torch.from_numpy(marks.reshape(len(pictures), height, width, -1)), 1),
    }


def _parts(pictures: list[tuple[np.ndarray, list[Part]]]) -> dict[str, torch.Tensor]:
    """What is in each cell."""
    rows, columns = (side // (PATCH * MERGE) for side in pictures[0][0].shape[:2])
    return {"parts": torch.from_numpy(np.stack([cell_targets(parts, rows, columns) for _, parts in pictures]))}


def build(tokenizer: Any) -> Any:
    """The architecture, with random weights."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (texts.PAD, texts.START, texts.END, *texts.VISION)}
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 6,
            "hidden_size": _VISION_WIDTH,
            "intermediate_size": 384,
            "num_heads": 4,
            "out_hidden_size": _WIDTH,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "fullatt_block_indexes": [0, 1, 2, 3, 4, 5],
        },
        text_config={
            "vocab_size": -(-len(tokenizer) // 8) * 8,
            "hidden_size": _WIDTH,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 8, 8]},
            "bos_token_id": None,
            "eos_token_id": ids[texts.END],
            "pad_token_id": ids[texts.PAD],
            "tie_word_embeddings": True,
        },
        tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def shape_of(width: int, height: int) -> Shape:
    """What the processor makes of a picture of so many pixels."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    side = PATCH * MERGE
    return Shape(*smart_resize(height, width, side, side**2, MAX_PIXELS))


def prompt(wording: str, shape: Shape) -> str:
    """The chat up to the answer, with one pad per visual token, as processor and template would write it."""
    cells = shape.height * shape.width // (PATCH * MERGE) ** 2
    image = f"<|vision_start|>{'<|image_pad|>' * cells}<|vision_end|>"
    return f"{texts.START}user\n{image}{wording}{texts.END}\n{texts.START}assistant\n"


def patchify(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """uint8 (n, height, width, 3) to the processor's patches (patches, 3 · patch²) of one time step, and their grid."""
    count, height, width, _ = pixels.shape
    mean = torch.tensor(_MEAN, device=pixels.device) * 255
    std = torch.tensor(_STD, device=pixels.device) * 255
    grid = [1, height // PATCH, width // PATCH]
    return _by_patch((pixels.float() - mean) / std, PATCH), torch.tensor([grid] * count, device=pixels.device)


def _by_patch(values: torch.Tensor, side: int) -> torch.Tensor:
    """(n, height, width, channels) to (patches, channels · side²), patches in the processor's order."""
    count, height, width, channels = values.shape
    rows, columns = height // (side * MERGE), width // (side * MERGE)
    cut = values.view(count, rows, MERGE, side, columns, MERGE, side, channels)
    return cut.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(-1, channels * side * side)


def fast_forwards(model: Any) -> None:
    """Replace patch embedding and attention of the vision network by batched ones."""
    visual = model.model.visual
    visual.patch_embed.forward = functools.partial(_embed, visual.patch_embed)
    for block in visual.blocks:
        block.attn.forward = functools.partial(_attend, block.attn)


def _embed(module: Any, patches: torch.Tensor) -> torch.Tensor:
    """A still picture is the same in both time steps, so their weights can be added first."""
    return functional.linear(patches, module.proj.weight.sum(2).flatten(1))


def _attend(module: Any, hidden: torch.Tensor, cu_seqlens: torch.Tensor, position_embeddings: Any, **_: Any) -> Any:
    pictures = len(cu_seqlens) - 1
    query, key, value = module.qkv(hidden).view(pictures, -1, 3, module.num_heads, module.head_dim).unbind(2)
    cos, sin = (each.view(pictures, -1, 1, module.head_dim) for each in position_embeddings)
    query, key = (each * cos + _rotate_half(each) * sin for each in (query, key))
    out = functional.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    return module.proj(out.transpose(1, 2).reshape(hidden.shape))


def _rotate_half(x: torch.Tensor) -> torch.Tensor:
    low, high = x.chunk(2, dim=-1)
    return torch.cat((-high, low), dim=-1)
