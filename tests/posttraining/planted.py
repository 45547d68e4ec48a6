"""A store of prompts with a planted preference, and tiny real checkpoints to post-train on them.

Each prompt tells a member's genre and lists candidates by genre. The member plays what shows their genre; the logging
policy shows the genre `SHOWN` far more often than any other. So the answer seen most is not the answer rewarded most.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from featurize.bundling import ranker_tokens
from featurize.execution import phases
from featurize.inference.letters import LETTERS
from featurize.storage import tables
from featurize.storage.lease import Lease
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin

GENRES = ("western", "horror", "romance", "comedy")
SHOWN = "western"
SYSTEM = "Which artwork? Answer with its letter."
ORIGIN = Origin("planted", "test")
RECIPE = {"backend": "prompts", "kind": "logged", "template": "test", "held_out": {"pairs": 10}}
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def question(genre, candidates):
    """(messages, slots) as the prompts job writes them."""
    head = f"Plays: {genre}\n"
    lines = [f"{letter}. a {name} picture" for letter, name in zip(LETTERS, candidates, strict=False)]
    starts = [len(head)]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    starts[-1] -= 1
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": head + "\n".join(lines)}]
    return messages, {"lines": starts, "letters": starts[:-1]}


def prompt(number, dice, *, split="train", often=0.7, choices=3, **other):
    """A row of `prompt`."""
    candidates = dice.sample(GENRES, choices)
    genre = dice.choice([each for each in GENRES if each != SHOWN])
    shares = [often if each == SHOWN else 1.0 for each in candidates]
    if SHOWN in candidates:
        shares = [often if each == SHOWN else (1 - often) / (choices - 1) for each in candidates]
    else:
        shares = [1 / choices] * choices
    place = dice.choices(range(choices), shares)[0]
    reward = float(dice.random() < (0.9 if candidates[place] == genre else 0.25))
    messages, slots = question(genre, candidates)
    return {
        "prompt_id": f"{number:032x}",
        "kind": "logged",
        "impression_id": f"i{number}",
        "member_id": f"m{number % 97}",
        "title_id": f"t{number % 31}",
        "asked_at": DAY + timedelta(hours=number),
        "artwork_ids": [f"{number}-{name}" for name in candidates],
        "same_as": list(range(1, choices + 1)),
        "messages": messages,
        "slots": slots,
        "prompt": "\n\n".join(each["content"] for each in messages),
        "answer": LETTERS[place],
        "reward": reward,
        "propensity": shares[place],
        "split": split,
        "template_key": "template-test",
        "model_key": "captioner-test",
        "tokens": 100,
        "tokens_by": "characters",
    } | other


LIKED = "horror"
RARELY = 0.15


def liked(count, seed=0):
    """Prompts of two candidates in which everybody likes `LIKED` better, and is mostly shown `SHOWN`."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        candidates = dice.sample([LIKED, SHOWN], 2)
        share = {LIKED: RARELY, SHOWN: 1 - RARELY}
        name = LIKED if dice.random() < RARELY else SHOWN
        messages, slots = question("everything", candidates)
        row = prompt(number, dice, choices=2)
        rows.append(
            row
            | {
                "artwork_ids": [f"{number}-{each}" for each in candidates],
                "messages": messages,
                "slots": slots,
                "answer": LETTERS[candidates.index(name)],
                "propensity": share[name],
                "reward": float(dice.random() < (0.9 if name == LIKED else 0.3)),
            }
        )
    return rows


def write(folder: Path, rows) -> Store:
    """A store with these prompts, of one recipe."""
    store = Store(str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    with Lease(store, "prompts", "planted") as lease:
        key = phases.record_model(store, lease.fence, RECIPE, ORIGIN)
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}
    columns |= {"recipe_key": [key] * len(rows), **ORIGIN.columns(len(rows)), "computed_at": [DAY] * len(rows)}
    store.commit("prompt", key, part_name(columns["prompt_id"]), tables.rows("prompt", columns))
    return store


def some(count, seed=0, **other):
    dice = random.Random(seed)
    return [prompt(number, dice, **other) for number in range(count)]


def checkpoint(folder: Path, *, width=32, layers=2, seed=0, **config) -> Path:
    """A real causal LM of a few thousand parameters with the bundled ranker's kind of tokenizer."""
    lines = ["system", "user", "assistant", "Plays: everything", SYSTEM, *(f"A. a {each} picture" for each in GENRES)]
    words = ranker_tokens.tokenizer(["\n".join(lines)] * 50)
    words.save_pretrained(folder)
    torch.manual_seed(seed)
    made = LlamaConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=None,
        initializer_range=0.2,  # so small a model learns to look things up from there, and not from 0.02
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        **config,
    )
    LlamaForCausalLM(made).save_pretrained(folder)
    return folder
