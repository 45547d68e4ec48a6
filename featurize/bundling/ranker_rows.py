"""Documents as rows of tokens, written in processes of their own, which need no torch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from featurize.bundling import ranker_lists, ranker_texts
from featurize.bundling.ranker_pages import TRAINING
from featurize.bundling.ranker_templates import COUNTED, FIRST, LONG, SHORT
from featurize.bundling.texts import END, PAD, START
from featurize.demo.processes import leave_with_parent

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LENGTHS = {"lists": 96, "easy": 160, "free": 448, SHORT: 448, COUNTED: 448, LONG: 1536, FIRST: 1536}
"""Tokens of a row by lesson: lists, easy pages, and pages in each of the styles."""
CHARACTERS = 4.0
"""Of a token, at most, on average: rows are filled to the end."""
_words: Any = None


def start(words: str) -> None:
    """In a process that writes rows."""
    from tokenizers import Tokenizer

    global _words
    leave_with_parent()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _words = Tokenizer.from_str(words)


def rows(first: int, count: int, lesson: str) -> tuple[np.ndarray, np.ndarray]:
    """Documents `first` to `first + count` as tokens (count, length) and which of them are of an answer."""
    numbers, length = range(first, first + count), LENGTHS[lesson]
    if lesson == "lists":
        return encode(_words, [ranker_lists.conversation(TRAINING, number) for number in numbers], length)
    style, characters = "free" if lesson == "easy" else lesson, int(length * CHARACTERS)
    made = [ranker_texts.document(TRAINING, number, lesson == "easy", style, characters).text for number in numbers]
    return encode(_words, made, length)


def encode(words: Tokenizer, documents: list[str], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens int16 (documents, length), cut or padded at the end, and uint8 marks of what is of an answer.

    The token that ends an answer is of it.
    """
    start, end, padding, assistant = (words.token_to_id(word) for word in (START, END, PAD, "assistant"))
    ids = np.full((len(documents), length), padding, dtype=np.int16)
    answers = np.zeros((len(documents), length), dtype=np.uint8)
    for row, encoding in enumerate(words.encode_batch_fast(documents)):
        found = np.array(encoding.ids[:length], dtype=np.int16)
        ids[row, : len(found)] = found
        ends = np.flatnonzero(found == end)
        heads = np.flatnonzero((found[:-1] == start) & (found[1:] == assistant)) + 3
        after = np.searchsorted(ends, heads)
        for head, place in zip(heads, after, strict=True):
            answers[row, head : (ends[place] + 1 if place < len(ends) else length)] = 1
    return ids, answers
