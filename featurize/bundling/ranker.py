"""The bundled ranker: a Llama of seven million parameters, taught to read by this project, from nothing.

It learns the next word of conversations about pages of the demo world (`ranker_texts`), answers above all. It never
learns from a reward, nor from what anybody chose. While it trains, its forward is replaced by one that computes the
same for rows of one length, each of them one conversation.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from featurize.bundling import ranker_rows, ranker_templates, ranker_texts
from featurize.bundling.ranker_pages import TRAINING
from featurize.bundling.ranker_tokens import tokenizer

WIDTH, LAYERS, HEADS, INNER = 256, 8, 8, 640
CONTEXT = 4096
LENGTH, LONG = 640, 1792
"""Tokens of a row, and of one with a page in the words of the long template."""
_EASY = (0.15, 0.6, 0.1)
"""Until this share of the training all batches are of easy pages, ever fewer until that, and then this share."""
_OTHER_WORDS = 0.3
"""What the words of pages and questions count, beside those of answers."""
_CORPUS = 3_000


class Ranker:
    """A `trainer.Task`."""

    batch_size = 128
    learning_rate = 2e-3
    unit = " rows"

    def __init__(self, seed: int = 0, workers: int | None = None, words: Any = None) -> None:
        """`words` is its tokenizer when that was made before."""
        self._seed = seed
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._workers = workers if workers is not None else max(cores - 1, 1)
        self.ahead = 4 * self._workers
        self.tokenizer = words or tokenizer(_corpus())
        self.meaning = hashlib.sha256(self.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        torch.manual_seed(seed)
        self.module: nn.Module = build(self.tokenizer)
        self._fast = FastForward(self.module)
        self._pool: ProcessPoolExecutor | None = None

    def batch(self, step: int, progress: float) -> dict[str, torch.Tensor]:
        """`ids` and `answers`, both (rows, length): the tokens, and which of them are of an answer."""
        dice = Random(f"{self._seed} {step}")
        easy = dice.random() < _easy_share(progress)
        style = "free" if easy else dice.choices(list(ranker_texts.STYLES), list(ranker_texts.STYLES.values()))[0]
        length = LENGTH if style in ("free", ranker_templates.SHORT) else LONG
        count = self.batch_size * LENGTH // length
        first = (self._seed * 1_000_003 + step) * self.batch_size
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            words = self.tokenizer.backend_tokenizer.to_str()
            self._pool = ProcessPoolExecutor(self._workers, spawn, initializer=ranker_rows.start, initargs=(words,))
        ids, answers = self._pool.submit(ranker_rows.rows, first, count, length, easy, style).result()
        return {"ids": torch.from_numpy(ids), "answers": torch.from_numpy(answers)}

    def loss(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        ids, answers = batch["ids"].long(), batch["answers"]
        answer_loss, other_loss, right = self._fast.losses(ids, answers)
        figures = {"answers": answer_loss, "right": right, "others": other_loss}
        return answer_loss + _OTHER_WORDS * other_loss, {name: value.detach() for name, value in figures.items()}

    def export(self, folder: Path) -> None:
        """Write what `AutoModelForCausalLM` and `AutoTokenizer` load, in bfloat16."""
        from transformers import GenerationConfig

        clean = build(self.tokenizer)
        clean.load_state_dict(self.module.state_dict())
        end, pad = self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        clean.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=pad, do_sample=False)
        clean.to(torch.bfloat16).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def close(self) -> None:
        """End the processes that write rows."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _corpus() -> list[str]:
    return [ranker_texts.document(TRAINING, n, n % 4 == 0, None, 2_000).text for n in range(_CORPUS)]


def _easy_share(progress: float) -> float:
    start, end, least = _EASY
    return float(np.interp(progress, [start, end], [1.0, least]))


def build(words: Any) -> Any:
    """The architecture, with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=-(-len(words) // 64) * 64,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


class FastForward:
    """What `LlamaForCausalLM` computes for rows of one length without padding before the end, compiled on a GPU."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._turns: dict[tuple[int, torch.device], tuple[torch.Tensor, torch.Tensor]] = {}
        self._compiled = False
        self._block, self._head = _block, _losses

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """(rows, length, width), before the last norm."""
        if ids.device.type == "cuda" and not self._compiled:
            self._block, self._head = torch.compile(_block, dynamic=False), torch.compile(_losses, dynamic=False)
            self._compiled = True
        inner = self._model.model
        x: torch.Tensor = inner.embed_tokens(ids)
        if torch.is_autocast_enabled(ids.device.type):
            x = x.to(torch.get_autocast_dtype(ids.device.type))
        cos, sin = self._rotary(ids.shape[1], x)
        for layer in inner.layers:
            attention, mlp = layer.self_attn, layer.mlp
            x = self._block(
                x, cos, sin, layer.input_layernorm.weight, attention.q_proj.weight, attention.k_proj.weight,
                attention.v_proj.weight, attention.o_proj.weight, layer.post_attention_layernorm.weight,
                mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight,
            )  # fmt: skip
        return x

    def losses(self, ids: torch.Tensor, answers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean loss of the tokens of answers and of the others, and the share of answers that begin right."""
        padding = self._model.config.pad_token_id
        x = self.hidden(ids)
        found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = self._head(
            x, self._model.model.norm.weight, self._model.lm_head.weight, ids, answers, padding
        )
        return found

    def _rotary(self, length: int, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        key = (length, x.device)
        if key not in self._turns:
            places = torch.arange(length, device=x.device)[None]
            self._turns[key] = self._model.model.rotary_emb(x, places)
        cos, sin = self._turns[key]
        return cos[:, None].to(x.dtype), sin[:, None].to(x.dtype)


_EPSILON = 1e-6


def _block(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, first: torch.Tensor, q: torch.Tensor, k: torch.Tensor,
    v: torch.Tensor, o: torch.Tensor, second: torch.Tensor, gate: torch.Tensor, up: torch.Tensor, down: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    rows, length, width = x.shape
    normed = functional.rms_norm(x, (width,), first.to(x.dtype), _EPSILON)
    query, key, value = (
        functional.linear(normed, weight).view(rows, length, HEADS, -1).transpose(1, 2) for weight in (q, k, v)
    )
    query, key = (each * cos + _turned(each) * sin for each in (query, key))
    attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    x = x + functional.linear(attended.transpose(1, 2).reshape(rows, length, width), o)
    normed = functional.rms_norm(x, (width,), second.to(x.dtype), _EPSILON)
    inner = functional.silu(functional.linear(normed, gate)) * functional.linear(normed, up)
    return x + functional.linear(inner, down)


def _turned(x: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


def _losses(
    x: torch.Tensor, norm: torch.Tensor, words: torch.Tensor, ids: torch.Tensor, answers: torch.Tensor, padding: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = functional.rms_norm(x[:, :-1], (x.shape[-1],), norm.to(x.dtype), _EPSILON)
    logits = functional.linear(x, words).flatten(0, 1).float()
    wanted, answer = ids[:, 1:].flatten(), answers[:, 1:].flatten().bool()
    losses = functional.cross_entropy(logits, wanted, reduction="none")
    other = ~answer & (wanted != padding)
    first = answer & ~answers[:, :-1].flatten().bool()
    right = (logits.argmax(1) == wanted) & first
    return (
        (losses * answer).sum() / answer.sum().clamp(min=1),
        (losses * other).sum() / other.sum().clamp(min=1),
        right.sum() / first.sum().clamp(min=1),
    )
