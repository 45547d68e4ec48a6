"""The same question with its candidates in another order, under other letters.

Invariant: candidates and letters are moved by the places that were noted when the prompt was rendered (`prompt.slots`),
and nothing is searched for in the text; so whatever names and captions say, all other words stay as they are.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence

from featurize.errors import RefusedInput
from featurize.inference.letters import LETTERS, Message

Slots = Mapping[str, Sequence[int]]
"""Column `slots` of `prompt`: `lines` and `letters`, in characters of the last message."""


def reordered(messages: Sequence[Message], order: Sequence[int], slots: Slots | None) -> list[dict[str, str]]:
    """The messages of a prompt with its candidates in this order, each under the letter of its new place.

    `order` has for each new place the old one, from 0: of `prompt.artwork_ids`, candidate `order[k]` gets letter k.
    What is said elsewhere of a candidate by its letter follows it. `slots` are those of the stored messages alone.
    Errors: RefusedInput for a prompt that was made before such places were noted.
    """
    if slots is None:
        raise RefusedInput(
            "these prompts do not say where their letters stand, as an older version made them: "
            "make them again (SET=prompts.rebuild=true), or leave the candidates in their order"
        )
    text, lines = messages[-1]["content"], slots["lines"]
    count = len(lines) - 1
    if sorted(order) != list(range(count)):
        raise ValueError(f"{list(order)} is no order of {count} candidates")
    place = {LETTERS[old]: LETTERS[new] for new, old in enumerate(order)}
    characters = list(text)
    for at in slots["letters"]:
        characters[at] = place[text[at]]
    ends = [*(begin - 1 for begin in lines[1:-1]), lines[-1]]  # between two lines is a line's end
    spoken = ["".join(characters[begin:end]) for begin, end in zip(lines, ends, strict=False)]
    before, after = "".join(characters[: lines[0]]), "".join(characters[lines[-1] :])
    content = before + "\n".join(spoken[old] for old in order) + after
    return [*(dict(each) for each in messages[:-1]), {"role": messages[-1]["role"], "content": content}]


def answer(letter: str, order: Sequence[int]) -> str:
    """The letter that a candidate has in this order, given the one it has in the stored prompt."""
    return LETTERS[list(order).index(LETTERS.index(letter))]


def shuffled(count: int, *seed: object) -> list[int]:
    """An order that follows from the parts of `seed` alone, such as (0, epoch, prompt_id)."""
    digest = hashlib.sha256("|".join(map(str, seed)).encode()).digest()
    return random.Random(digest).sample(range(count), count)


def rotated(count: int, most: int) -> list[list[int]]:
    """Up to `most` orders, the first as it is, turned on evenly: with `count` of them each has every letter once."""
    orders = min(most, count)
    steps = [number * count // orders for number in range(orders)]
    return [[(place + step) % count for place in range(count)] for step in steps]
