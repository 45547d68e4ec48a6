"""Letters as an LLM writes them: the tokens of the answers A, B, C, ... right after a prompt.

Post-training and ranking both take them from here, so that what is learnt is what is read. The tokenizer is asked on
the very prompt: whether an answer is the token "A" or " A" depends on the chat template.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featurize.errors import RefusedInput

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Of the candidates, in the order of `prompt.artwork_ids`: one token each in every common tokenizer."""
Message = Mapping[str, str]


def tokenizer(folder: str | Path, revision: str | None = None) -> Any:
    """The tokenizer of a causal LM. Errors: RefusedInput when it cannot be loaded or has no chat template."""
    from transformers import AutoTokenizer

    try:
        found: Any = AutoTokenizer.from_pretrained(folder, revision=revision)
    except (OSError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise RefusedInput(f"{folder} holds no tokenizer that transformers loads: {why}") from error
    if not found.chat_template:
        raise RefusedInput(f"the tokenizer of {folder} has no chat template: a model that was taught to chat is needed")
    return found


def text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The prompt as the model reads it, up to where its answer begins."""
    rendered: str = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    return rendered


def encode(tokenizer: Any, prompt: str) -> list[int]:
    """Tokens of what `text` returned; the template has written the special ones already."""
    ids: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return ids


def tokens(tokenizer: Any, prompt: str, count: int) -> list[int]:
    """The token of each of the first `count` letters as the answer to what `text` returned.

    Errors: RefusedInput when there are more candidates than letters, or a letter is not one token there.
    """
    if count > len(LETTERS):
        raise RefusedInput(f"{count} candidates are more than there are letters ({len(LETTERS)})")
    before, name = encode(tokenizer, prompt), tokenizer.name_or_path
    found = []
    for letter in LETTERS[:count]:
        whole = encode(tokenizer, prompt + letter)
        alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, whole, strict=False)))
        if (alike, len(whole)) != (len(before), len(before) + 1):
            pieces = " ".join(tokenizer.convert_ids_to_tokens(whole[alike:]))
            lost = " ".join(tokenizer.convert_ids_to_tokens(before[alike:]))
            instead = f" in the place of {lost}, the end of the prompt" if lost else ", not as one token"
            raise RefusedInput(f"the tokenizer of {name} writes the answer {letter} as {pieces}{instead}")
        found.append(whole[-1])
    if len(set(found)) < count:
        raise RefusedInput(f"the tokenizer of {name} does not tell the letters apart")
    return found
