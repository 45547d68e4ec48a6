"""The bundled CLIP: an open_clip model of five million parameters, trained from nothing.

Next to the contrastive loss (Radford et al. 2021) it learns zero-shot tagging itself: each picture must find its genre,
mood, setting, shot and number of people among the labels of `labels/demo-v1.toml`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
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
from featurize.demo.vocabulary import NUMBERS
from featurize.featurizing import tags

LABELS = "demo-v1"
_SIDE, _PATCH, _WIDTH, _CONTEXT = 144, 12, 192, 48
ATTRIBUTES: dict[str, Callable[[Scene], str]] = {
    "genre": lambda scene: scene.theme,
    "mood": lambda scene: scene.mood,
    "setting": lambda scene: scene.setting,
    "shot": lambda scene: scene.shot,
    "people": lambda scene: NUMBERS[scene.people_count] if scene.people else "none",
}
"""Attributes of the label file, and the label a scene has."""


class Clip:
    """A `trainer.Task`."""

    batch_size = 64
    learning_rate = 1.5e-3
    unit = " pictures"
    ahead = 3
    meaning = ""

    def __init__(self, scenes: Scenes, seed: int = 0) -> None:
        import open_clip

        self._scenes = scenes
        self._shares = scenes.shares()
        self._seed = seed
        self._labels = tags.load_labels(LABELS)
        self.tokenizer = texts.clip_tokenizer((scene(TRAINING, i) for i in range(10_000)), self._labels.texts)
        self.config = config(self.tokenizer)
        torch.manual_seed(seed)
        self.model = open_clip.CLIP(**self.config)
        self.heads = Heads(_WIDTH)
        self.module: nn.Module = nn.ModuleDict({"model": self.model, "heads": self.heads})
        self.model.visual.output_tokens = True
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        self._mean, self._std = torch.tensor(mean) * 255, torch.tensor(std) * 255

    def batch(self, step: int, progress: float) -> dict[str, Any]:
        """Pictures, a description of each, one phrasing of every label, and which labels are right."""
        rng = np.random.Generator(np.random.PCG64([self._seed, 2, step]))
        chosen = rng.choice(self._scenes.count, self.batch_size, replace=False, p=self._shares)
        shown = [self._scenes.scene(int(i)) for i in chosen]
        pixels, parts = zip(*(self._scenes.picture(int(i), Shape(_SIDE, _SIDE), rng) for i in chosen), strict=True)
        cells = _SIDE // _PATCH
        phrasings = [
            str(rng.choice(phrasings))
            for attribute in ATTRIBUTES
            for phrasings in self._labels.attributes[attribute].values()
        ]
        return {
            "pixels": torch.from_numpy(np.stack(pixels)),
            "texts": self.tokens([texts.some_description(each, rng) for each in shown]),
            "labels": self.tokens(phrasings),
            "right": torch.from_numpy(self._right(shown)),
            "choices": torch.from_numpy(texts.choice_targets(shown)),
            "parts": torch.from_numpy(np.stack([cell_targets(each, cells, cells) for each in parts])),
        }

    def tokens(self, sentences: list[str]) -> torch.Tensor:
        """int64 of shape (n, length of the longest)."""
        ids = self.tokenizer(sentences, padding="longest", truncation=True, max_length=_CONTEXT)["input_ids"]
        return torch.tensor(ids)

    def _right(self, shown: list[Scene]) -> np.ndarray:
        names = {attribute: list(self._labels.attributes[attribute]) for attribute in ATTRIBUTES}
        return np.array([[names[a].index(of(each)) for a, of in ATTRIBUTES.items()] for each in shown])

    def loss(self, batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        pixels = (batch["pixels"].float() - self._mean.to(batch["pixels"].device)) / self._std.to(
            batch["pixels"].device
        )
        pooled, tokens = self.model.visual(pixels.permute(0, 3, 1, 2))
        image = functional.normalize(pooled, dim=-1)
        count = len(image)
        text, labels = (functional.normalize(self.encode_text(batch[each]), dim=-1) for each in ("texts", "labels"))
        scale = self.model.logit_scale.exp().clamp(max=100)
        logits = scale * image @ text.T
        target = torch.arange(count, device=image.device)
        contrast = (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
        zero_shot, right, at = [], [], 0
        for column, attribute in enumerate(ATTRIBUTES):
            size = len(self._labels.attributes[attribute])
            scores = scale * image @ labels[at : at + size].T
            at += size
            zero_shot.append(functional.cross_entropy(scores, batch["right"][:, column]))
            right.append((scores.argmax(1) == batch["right"][:, column]).float().mean())
        head_loss, choices, parts = self.heads(tokens, batch["choices"], batch["parts"])
        figures = {
            "found": (logits.argmax(1) == target).float().mean(),
            "tags": torch.stack(right).mean(),
            "choices": choices,
            "parts": parts,
        }
        return contrast + torch.stack(zero_shot).sum() + head_loss, figures

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """What the model's own encode_text gives for texts padded to its whole context, in a third of the time."""
        length = ids.shape[1]
        embedded = self.model.token_embedding(ids) + self.model.positional_embedding[:length]
        hidden = self.model.transformer(embedded, attn_mask=self.model.attn_mask[:length, :length])
        ends = (ids == self.model.text_eos_id).int().argmax(1)
        pooled: torch.Tensor = self.model.ln_final(hidden)[torch.arange(len(ids)), ends] @ self.model.text_projection
        return pooled

    def export(self, folder: Path) -> None:
        """Write what open_clip loads as `local-dir:<folder>`, in bfloat16."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        state = self.model.state_dict()
        state["logit_scale"].clamp_(max=float(np.log(100)))
        weights = {name: tensor.to("cpu", torch.bfloat16).contiguous() for name, tensor in state.items()}
        save_file(weights, folder / "open_clip_model.safetensors", metadata={"format": "pt"})
        self.tokenizer.save_pretrained(folder)
        preprocess = {"resize_mode": "squash", "interpolation": "bicubic"}
        (folder / "open_clip_config.json").write_text(
            json.dumps({"model_cfg": self.config, "preprocess_cfg": preprocess}, indent=2) + "\n", encoding="utf-8"
        )


def config(tokenizer: Any) -> dict[str, Any]:
    """open_clip's description of the architecture."""
    return {
        "embed_dim": _WIDTH,
        "vision_cfg": {"image_size": _SIDE, "patch_size": _PATCH, "width": _WIDTH, "layers": 6, "head_width": 48},
        "text_cfg": {
            "context_length": _CONTEXT,
            "vocab_size": -(-len(tokenizer) // 8) * 8,
            "width": _WIDTH,
            "heads": 4,
            "layers": 3,
            "pool_type": "eos",
            "eos_id": tokenizer.convert_tokens_to_ids(texts.END),
            "pad_id": tokenizer.pad_token_id,
            # open_clip reads the tokenizer from the folder itself, but only when this is not empty.
            "hf_tokenizer_name": "local",
        },
    }
