"""Prompts asked for their letters, in as many orders as wanted, and the answers turned into scores of artworks.

What all rankers share that ask an LLM, wherever it runs. Invariant: what is sent for a prompt are the tokens that its
tokenizer makes of the very messages, and letters are looked for as it writes them in that very place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from featurize.errors import BadImage
from featurize.inference import letters, orders
from featurize.inference.letters import Message
from featurize.inference.prefill import Question
from featurize.inference.ranker import Given, Prompt, Ranked

Floats = npt.NDArray[np.float64]
Q = TypeVar("Q")


def ranked(
    prompts: Sequence[Prompt],
    given: Given,
    question: Callable[[Sequence[Message], int], Q],
    answers: Callable[[Sequence[Q]], Iterable[tuple[int, Floats | BadImage]]],
) -> Iterator[tuple[int, Ranked | BadImage]]:
    """(place in `prompts`, what is said of it), as it gets ready.

    `question` makes what is asked of messages and the number of their candidates; `answers` gives (place in what it is
    given, log-probability of each letter). A prompt fails as soon as one of its orders does.
    """
    questions: list[Q] = []
    of: list[tuple[int, list[int]]] = []
    waits = []
    for place, prompt in enumerate(prompts):
        turned = orders.rotated(len(prompt.artwork_ids), given.orders)
        waits.append(len(turned))
        for order in turned:
            messages: Sequence[Message] = prompt.messages
            if order != sorted(order):
                messages = orders.reordered(messages, order, prompt.slots)
            questions.append(question(messages, len(order)))
            of.append((place, order))
    said: list[list[_Said]] = [[] for _ in prompts]
    for number, found in answers(questions):
        place, order = of[number]
        if isinstance(found, BadImage):
            if waits[place] > 0:
                waits[place] = -1
                yield place, found
            continue
        said[place].append(_Said(order, found))
        if len(said[place]) == waits[place]:
            yield place, _mean(said[place], given)
            said[place] = []


@dataclass(frozen=True)
class _Said:
    """What was said of a prompt in one order: the log-probability of each letter."""

    order: list[int]
    sure: Floats


def _mean(said: list[_Said], given: Given) -> Ranked:
    """The mean over the orders in which a prompt was asked, with the letters' prior taken off where it is known."""
    said.sort(key=lambda each: each.order)
    letters_share = [float(np.exp(each.sure).sum()) for each in said]
    count = len(said[0].order)
    prior = np.zeros(count) if given.prior is None else np.asarray(given.prior.by_count[count])
    scores = np.zeros(count)
    for each in said:
        scores[each.order] += (each.sure - prior) / len(said)
    by_letter = np.mean([each.sure for each in said], axis=0)
    share = min(1.0, float(np.mean(letters_share)))
    return Ranked(scores.tolist(), letter_share=share, by_letter=by_letter.tolist())


def way(given: Given) -> dict[str, Any]:
    """How prompts are asked, for the fingerprint."""
    return {"orders": given.orders, "prior": given.prior and given.prior.identity}


class Reader:
    """Messages to tokens, and to the tokens of their letters."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._marks = [str(token) for token in tokenizer.all_special_tokens]
        self._known: dict[tuple[str, int], tuple[int, ...]] = {}

    def question(self, messages: Sequence[Message], count: int) -> Question:
        """Errors: RefusedInput when the letters of `count` candidates are no single tokens there."""
        text = letters.text(self._tokenizer, messages)
        return Question(tuple(letters.encode(self._tokenizer, text)), self._letters(text, count))

    def _letters(self, text: str, count: int) -> tuple[int, ...]:
        """A special token cuts a text before anything else is looked at, so what stands behind the last one decides."""
        begin = max((text.rfind(mark) for mark in self._marks), default=-1)
        if begin < 0:
            return tuple(letters.tokens(self._tokenizer, text, count))
        key = (text[begin:], count)
        if key not in self._known:
            self._known[key] = tuple(letters.tokens(self._tokenizer, text, count))
        return self._known[key]
