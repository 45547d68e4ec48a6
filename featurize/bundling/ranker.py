"""The bundled ranker: a Llama of three million parameters, taught to read by this project, from nothing.

It learns the next word of conversations about pages of the demo world (`ranker_texts`), answers above all. It never
learns from a reward, nor from what anybody chose. While it trains, its forward is replaced by one that computes the
same for rows of one length, each of them one conversation.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from featurize.bundling import ranker_rows, ranker_start, ranker_texts
from featurize.bundling.ranker_pages import TRAINING
from featurize.bundling.ranker_score import refuse_without
from featurize.bundling.ranker_tokens import tokenizer

WIDTH, LAYERS, HEADS, INNER = 192, 6, 4, 512
CONTEXT = 4096
TOKENS = 4_608
"""Of a batch."""
_PROGRESS = (0.0, 0.1, 0.101, 0.15, 0.17, 1.0)
_LESSONS = {"lists": (1.0, 1.0, 0.25, 0.25, 0.06, 0.05), "easy": (0.0, 0.0, 0.6, 0.6, 0.14, 0.1)}
"""Shares of batches of lists and of easy pages at some points of the training; the others are of pages as they come."""
_OTHER_WORDS, _KEPT = 0.3, 0.15
"""What the words of pages and questions count beside those of answers, and the share of them that is looked at."""
_CORPUS = 3_000


class Ranker:
    """A `trainer.Task`."""

    batch_size = 1
    learning_rate = 3e-3
    unit = " batches"

    def __init__(
        self,
        seed: int = 0,
        workers: int | None = None,
        words: Any = None,
        compiled: bool = True,
        begin: Path | None = None,
    ) -> None:
        """`words` is its tokenizer when that was made before; to compile pays from hundreds of batches on.

        `begin` is a folder that `export` wrote: its weights go on with pages, and keep their tokenizer. Errors:
        RefusedInput.
        """
        self._seed = seed
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._workers = workers if workers is not None else max(cores - 1, 1)
        self.ahead = 4 * self._workers
        self._first = 0.0 if begin is None else 1.0
        if begin is not None:
            refuse_without(begin)
            words = AutoTokenizer.from_pretrained(begin)
        self.tokenizer = words or tokenizer(_corpus())
        self.meaning = hashlib.sha256(self.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        torch.manual_seed(seed)
        self.module: nn.Module = build(self.tokenizer)
        if begin is None:
            ranker_start.begin(self.module, seed)
        else:
            self.module.load_state_dict(AutoModelForCausalLM.from_pretrained(begin, dtype=torch.float32).state_dict())
        self._fast = FastForward(self.module, compiled)
        self._pool: ProcessPoolExecutor | None = None

    def batch(self, step: int, progress: float) -> dict[str, torch.Tensor]:
        """`ids` and `answers`, both (rows, length): the tokens, and which of them are of an answer."""
        lesson = _lesson(Random(f"{self._seed} {step}"), max(progress, self._first))
        count = max(TOKENS // ranker_rows.LENGTHS[lesson], 1)
        first = (self._seed * 10_000_019 + step) * TOKENS // min(ranker_rows.LENGTHS.values())
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            words = self.tokenizer.backend_tokenizer.to_str()
            self._pool = ProcessPoolExecutor(self._workers, spawn, initializer=ranker_rows.start, initargs=(words,))
        ids, answers = self._pool.submit(ranker_rows.rows, first, count, lesson).result()
        kept = torch.rand(ids.shape, generator=torch.Generator().manual_seed(step)) < _KEPT
        return {"ids": torch.from_numpy(ids), "answers": torch.from_numpy(answers), "kept": kept}

    def loss(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        ids, answers = batch["ids"].long(), batch["answers"].bool()
        answer_loss, other_loss, right = self._fast.losses(ids, answers, batch["kept"])
        figures = {"answers": answer_loss, "right": right, "others": other_loss}
        return answer_loss + _OTHER_WORDS * other_loss, {name: value.detach() for name, value in figures.items()}

    def export(self, folder: Path) -> None:
        """Write what `AutoModelForCausalLM` and `AutoTokenizer` load, in bfloat16."""
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


def _lesson(dice: Random, progress: float) -> str:
    lists, easy = (float(np.interp(progress, _PROGRESS, _LESSONS[name])) for name in ("lists", "easy"))
    (lesson,) = dice.choices(("lists", "easy", "pages"), (lists, easy, 1 - lists - easy))
    if lesson == "pages":
        (lesson,) = dice.choices(list(ranker_texts.STYLES), list(ranker_texts.STYLES.values()))
    return lesson


def build(words: Any) -> Any:
    """The architecture, with random weights."""
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
    """What `LlamaForCausalLM` computes for rows of one length without padding before the end.

    Logits are computed only where a loss is wanted. A compiled block needs a GPU or a C++ compiler.
    """

    def __init__(self, model: Any, compiled: bool) -> None:
        self._model = model
        self._turns: dict[tuple[int, torch.device], tuple[torch.Tensor, torch.Tensor]] = {}
        able = compiled and (torch.cuda.is_available() or shutil.which("g++") is not None)
        self._block: Any = torch.compile(_block, dynamic=False) if able else _block

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """(rows, length, width), before the last norm."""
        inner, device = self._model.model, ids.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        x: torch.Tensor = inner.embed_tokens(ids).to(dtype)
        cos, sin = self._rotary(ids.shape[1], x)
        with torch.autocast(device, enabled=False):
            for layer in inner.layers:
                attention, mlp = layer.self_attn, layer.mlp
                weights = (
                    layer.input_layernorm.weight, attention.q_proj.weight, attention.k_proj.weight,
                    attention.v_proj.weight, attention.o_proj.weight, layer.post_attention_layernorm.weight,
                    mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight,
                )  # fmt: skip
                x = self._block(x, cos, sin, HEADS, *(weight.to(dtype) for weight in weights))
        return x

    def losses(
        self, ids: torch.Tensor, answers: torch.Tensor, kept: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean loss of the tokens of answers and of the others in `kept`, and the share of answers that begin right."""
        x = self.hidden(ids)
        wanted, answer = ids[:, 1:], answers[:, 1:]
        other = ~answer & kept[:, 1:] & (wanted != self._model.config.pad_token_id)
        places = [torch.nonzero(where, as_tuple=True) for where in (answer, other)]
        rows, columns = (torch.cat(each) for each in zip(*places, strict=True))
        x = functional.rms_norm(x[rows, columns], (x.shape[-1],), self._model.model.norm.weight.to(x.dtype), _EPSILON)
        logits = functional.linear(x, self._model.lm_head.weight.to(x.dtype)).float()
        targets = wanted[rows, columns]
        losses = functional.cross_entropy(logits, targets, reduction="none")
        count = len(places[0][0])
        first = ~answers[:, :-1][places[0]]
        right = (logits[:count].argmax(1) == targets[:count])[first]
        # A batch may have no answer: where the question stands before a page that is longer than the row.
        answered, others = (each.sum() / max(len(each), 1) for each in (losses[:count], losses[count:]))
        return answered, others, right.sum() / max(len(right), 1)

    def _rotary(self, length: int, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        key = (length, x.device)
        if key not in self._turns:
            places = torch.arange(length, device=x.device)[None]
            self._turns[key] = self._model.model.rotary_emb(x, places)
        cos, sin = self._turns[key]
        return cos[:, None].to(x.dtype), sin[:, None].to(x.dtype)


_EPSILON = 1e-6


def _block(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, first: torch.Tensor, q: torch.Tensor,
    k: torch.Tensor, v: torch.Tensor, o: torch.Tensor, second: torch.Tensor, gate: torch.Tensor, up: torch.Tensor,
    down: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    rows, length, width = x.shape
    normed = functional.rms_norm(x, (width,), first, _EPSILON)
    query, key, value = (
        functional.linear(normed, weight).view(rows, length, heads, -1).transpose(1, 2) for weight in (q, k, v)
    )
    query, key = (each * cos + _turned(each) * sin for each in (query, key))
    # On a CPU, for rows as short as these, faster than scaled_dot_product_attention.
    later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
    scores = (query @ key.mT * query.shape[-1] ** -0.5).masked_fill(later, float("-inf"))
    attended = scores.softmax(-1) @ value
    x = x + functional.linear(attended.transpose(1, 2).reshape(rows, length, width), o)
    normed = functional.rms_norm(x, (width,), second, _EPSILON)
    inner = functional.silu(functional.linear(normed, gate)) * functional.linear(normed, up)
    found: torch.Tensor = x + functional.linear(inner, down)
    return found


def _turned(x: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)
