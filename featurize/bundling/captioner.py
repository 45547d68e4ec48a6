"""The bundled captioner: a Qwen2.5-VL of five million parameters, trained from nothing.

It learns in the real classes of transformers. Two forwards are replaced while it trains by ones that compute the same
for a batch of equally large pictures in a fraction of the time.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from featurize.bundling import texts
from featurize.bundling.heads import Heads
from featurize.bundling.parts import cell_targets
from featurize.bundling.scenes import TRAINING, Scenes, Shape, scene
from featurize.demo.scenes import Scene

PATCH, MERGE = 16, 2
MAX_PIXELS = 30 * (PATCH * MERGE) ** 2
"""A poster becomes 128 × 192: 24 visual tokens."""
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # the processor's own
_WIDTH = 192
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

    def __init__(self, scenes: Scenes, seed: int = 0) -> None:
        self._scenes = scenes
        self._seed = seed
        self.tokenizer = texts.captioner_tokenizer(scene(TRAINING, i) for i in range(10_000))
        torch.manual_seed(seed)
        self.model = build(self.tokenizer)
        self.heads = Heads(_WIDTH)
        self.module: nn.Module = nn.ModuleDict({"model": self.model, "heads": self.heads})
        fast_forwards(self.model)
        shapes = [shape_of(*size) for size in scenes.sizes()]
        self._by_shape = {shape: np.flatnonzero([s == shape for s in shapes]) for shape in sorted(set(shapes), key=str)}
        self._image_token = self.model.config.image_token_id

    def batch(self, step: int, progress: float) -> dict[str, Any]:
        """Pictures of one shape, what the heads are to find, and mostly the prompt and the answers as tokens.

        Early on only every third batch has words: seeing is what takes long to learn, and costs half without them.
        """
        rng = np.random.Generator(np.random.PCG64([self._seed, 1, step]))
        shares = np.array([len(indices) for indices in self._by_shape.values()])
        shape = list(self._by_shape)[rng.choice(len(shares), p=shares / shares.sum())]
        chosen = rng.choice(self._by_shape[shape], self.batch_size)
        pixels, parts = zip(*(self._scenes.picture(int(i), shape, rng) for i in chosen), strict=True)
        cells = shape.height // (PATCH * MERGE), shape.width // (PATCH * MERGE)
        shown = [self._scenes.scene(int(i)) for i in chosen]
        batch: dict[str, Any] = {
            "pixels": torch.from_numpy(np.stack(pixels)),
            "choices": torch.from_numpy(texts.choice_targets(shown)),
            "parts": torch.from_numpy(np.stack([cell_targets(each, *cells) for each in parts])),
        }
        return batch | (self._words(shown, shape, rng) if step % 3 == 0 or progress > 0.75 else {})

    def _words(self, shown: list[Scene], shape: Shape, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        wording = texts.PROMPTS[0] if rng.random() < 0.6 else str(rng.choice(texts.PROMPTS[1:]))
        prefix = self.tokenizer(prompt(wording, shape), add_special_tokens=False)["input_ids"]
        end = self.tokenizer.convert_tokens_to_ids(texts.END)
        answers = [[*ids, end] for ids in self.tokenizer([texts.answer(s) for s in shown])["input_ids"]]
        longest = -(-max(map(len, answers)) // 8) * 8  # few different lengths, for the compiler
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[*prefix, *ids, *[pad] * (longest - len(ids))] for ids in answers])
        labels = torch.tensor([[*ids, *[-100] * (longest - len(ids))] for ids in answers])
        return {"ids": ids, "labels": labels}

    def loss(self, batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The heads' loss, and that of the answers when there are any."""
        patches, grid = patchify(batch["pixels"])
        tokens = self.model.model.get_image_features(patches, grid).pooler_output
        visual = torch.stack(tuple(tokens)) if isinstance(tokens, tuple | list) else tokens
        visual = visual.view(len(grid), -1, _WIDTH)
        loss, right, recall = self.heads(visual, batch["choices"], batch["parts"])
        figures = {"choices": right, "parts": recall}
        if "ids" in batch:
            words, exact = self._answer_loss(visual, grid, batch["ids"], batch["labels"])
            loss = loss + 3 * words
            figures |= {"words": words, "tokens": exact}
        return loss, figures

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


def build(tokenizer: Any) -> Any:
    """The architecture, with random weights."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (texts.PAD, texts.START, texts.END, *texts.VISION)}
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 5,
            "hidden_size": _WIDTH,
            "intermediate_size": 512,
            "num_heads": 4,
            "out_hidden_size": _WIDTH,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "fullatt_block_indexes": [0, 1, 2, 3, 4],
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
    rows, columns = height // PATCH, width // PATCH
    cut = ((pixels.float() - mean) / std).view(count, rows // MERGE, MERGE, PATCH, columns // MERGE, MERGE, PATCH, 3)
    patches = cut.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(count * rows * columns, 3 * PATCH * PATCH)
    return patches, torch.tensor([[1, rows, columns]] * count, device=pixels.device)


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
