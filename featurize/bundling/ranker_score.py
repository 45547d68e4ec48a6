"""How well the bundled ranker reads: questions about held-out pages, each asked by itself, through the shipped files.

The pages are about the world of the seed that people use, which training never sees. An answer is right when greedy
decoding would give it to the last token.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from featurize.bundling import ranker_texts
from featurize.bundling.ranker_pages import HELD_OUT, LETTERS
from featurize.errors import RefusedInput

_QUESTIONS = 4
"""Of a page, at most."""
_TOKENS = 16_384
"""Of a batch."""


@dataclass(frozen=True)
class Case:
    """A question about a page, as the chat template writes it, and what is right."""

    style: str
    kind: str
    prompt: list[int]
    answer: list[int]
    right: str
    choices: int
    page: int


def cases(tokenizer: Any, count: int) -> list[Case]:
    """The first `count` questions about held-out pages, which are in each of the styles in turn."""
    made: list[Case] = []
    styles = list(ranker_texts.STYLES)
    for number in itertools.count():
        if len(made) >= count:
            break
        document = ranker_texts.document(HELD_OUT, number, False, styles[number % len(styles)], 4_000)
        written = document.written
        for kind, question, answer in document.asked[:_QUESTIONS]:
            messages = [{"role": "system", "content": written.system}] if written.system else []
            messages.append({"role": "user", "content": f"{written.text}\n\n{question}"})
            prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            made.append(
                Case(
                    written.style,
                    kind,
                    tokenizer(prompt, add_special_tokens=False)["input_ids"],
                    tokenizer(answer + tokenizer.eos_token, add_special_tokens=False)["input_ids"],
                    answer,
                    document.candidates,
                    number,
                )
            )
    return made[:count]


def refuse_without(folder: Path) -> None:
    """Errors: RefusedInput where the folder holds no ranker."""
    if not (folder / "config.json").is_file():
        raise RefusedInput(f"{folder} holds no ranker; to train one: python -m jobs.bundle --only ranker")


def score(folder: Path, count: int = 4096, device: str = "cpu") -> dict[str, Any]:
    """Shares by kind of question beside chance, how much more often than right a letter is picked, next-word loss.

    Chance is the better of the most frequent answer and, for letters, one of the candidates. Errors: RefusedInput.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    refuse_without(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
    model.to(device).eval()
    asked = sorted(cases(tokenizer, count), key=lambda case: (len(case.prompt), case.page))
    letters = torch.tensor(tokenizer.convert_tokens_to_ids(list(LETTERS)), device=device)
    right: list[bool] = []
    picked: list[str] = []
    losses: list[np.ndarray] = []
    first = 0
    while first < len(asked):
        size = max(1, _TOKENS // (len(asked[first].prompt) + 64))
        batch = asked[first : first + size]
        first += size
        found = _read(model, batch, tokenizer.pad_token_id, letters)
        right += found[0]
        picked += found[1]
        losses += found[2]
    return _figures(asked, right, picked, losses)


def _read(
    model: Any, batch: list[Case], padding: int, letters: torch.Tensor
) -> tuple[list[bool], list[str], list[np.ndarray]]:
    """Whether each answer is right, the likeliest letter of those on the page, losses of the words of the prompt."""
    longest = max(len(case.prompt) + len(case.answer) for case in batch)
    rows = [[*case.prompt, *case.answer] for case in batch]
    ids = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows], device=letters.device)
    with torch.inference_mode():
        logits = model(ids).logits.float()
        losses = functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none").cpu().numpy()
        likeliest = logits.argmax(2)
    right, picked, words = [], [], []
    for row, case in enumerate(batch):
        at = len(case.prompt) - 1
        said = likeliest[row, at : at + len(case.answer)].tolist()
        right.append(said == case.answer)
        picked.append(LETTERS[int(logits[row, at, letters[: case.choices]].argmax())])
        words.append(losses[row, :at])
    return right, picked, words


def _figures(asked: list[Case], right: list[bool], picked: list[str], losses: list[np.ndarray]) -> dict[str, Any]:
    kinds: dict[str, list[int]] = defaultdict(list)
    for place, case in enumerate(asked):
        kinds[case.kind].append(place)
    shares, chances = {}, {}
    for kind, places in sorted(kinds.items()):
        shares[kind] = float(np.mean([right[place] for place in places]))
        chances[kind] = _chance([asked[place] for place in places])
    of_letters = [place for place, case in enumerate(asked) if case.right in LETTERS]
    wanted = Counter(asked[place].right for place in of_letters)
    chosen = Counter(picked[place] for place in of_letters)
    by_style = {
        style: float(np.mean([one for case, one in zip(asked, right, strict=True) if case.style == style]))
        for style in sorted({case.style for case in asked})
    }
    return {
        "questions": len(asked),
        "mean": float(np.mean(list(shares.values()))),
        "lowest": min(shares.values()),
        "letter": float(np.mean([right[place] for place in of_letters])),
        "letter_chance": float(np.mean([1 / asked[place].choices for place in of_letters])),
        "letter_bias": max(abs(chosen[letter] - wanted[letter]) / len(of_letters) for letter in LETTERS),
        "next_word_loss": float(np.concatenate(losses).mean()),
        "styles": by_style,
        "fields": shares,
        "chance": chances,
        "asked": {kind: len(places) for kind, places in sorted(kinds.items())},
    }


def _chance(cases: list[Case]) -> float:
    most = Counter(case.right for case in cases).most_common(1)[0][1] / len(cases)
    guess = np.mean([1 / case.choices if case.right in LETTERS else 0.0 for case in cases])
    return max(most, float(guess))
