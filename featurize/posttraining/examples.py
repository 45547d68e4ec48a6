"""Rows to tokens: the prompt as the chat template writes it, then the letter, then the end of the turn.

Invariant: the letter is the very token that `featurize.inference.letters` finds after that prompt, which is what
ranking reads; so what is trained is what is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurize.errors import RefusedInput
from featurize.inference import letters, orders
from featurize.posttraining.stream import Places

REASON = "Say why first, then end with the line: Answer: "
"""Asked after a prompt whose rationale is learnt; without it the answer is the letter alone, as ranking reads it."""


@dataclass(frozen=True)
class Example:
    """Token ids; `rejected` is empty but for pairs. `places` are the letters' tokens of all candidates, in order."""

    prompt: list[int]
    answer: list[int]
    rejected: list[int]
    places: list[int]


class Examples:
    """The rows of a run as examples, made when they are asked for.

    `rationales` are the words by prompt id; each of these prompts is then also asked to give its reasons.
    """

    def __init__(self, table: pa.Table, tokenizer: Any, seed: int, rationales: Mapping[str, str] | None = None) -> None:
        self._columns = {
            name: table[name] for name in ("prompt_id", "messages", "slots", "choices", "answer", "rejected")
        }
        self._tokenizer, self._seed = tokenizer, seed
        self._rationales = rationales or {}
        self._letters: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        self.in_order = not len(table) or table["slots"].null_count > 0
        """Whether the candidates stay in their order, as an older version made the prompts."""

    def __len__(self) -> int:
        return len(self._columns["prompt_id"])

    def row(self, number: int) -> dict[str, Any]:
        return {name: column[number].as_py() for name, column in self._columns.items()}

    def plain(self, number: int) -> Example:
        """The prompt as it is stored, and its letter. Errors: RefusedInput naming the prompt."""
        row = self.row(number)
        return self._example(row, row["messages"], row["answer"], row["rejected"])

    def drawn(self, number: int, turn: int) -> Example:
        """The same with its candidates in the order of this turn; the first has the stored one."""
        row = self.row(number)
        order = self._order(row, turn)
        if order is None:
            return self._example(row, row["messages"], row["answer"], row["rejected"])
        answer, rejected = (each and orders.answer(each, order) for each in (row["answer"], row["rejected"]))
        return self._example(row, orders.reordered(row["messages"], order, row["slots"]), answer, rejected)

    def order(self, number: int, turn: int) -> list[int]:
        """Which candidate of the stored prompt stands in each place in this turn."""
        row = self.row(number)
        return list(self._order(row, turn) or range(row["choices"]))

    def _order(self, row: Mapping[str, Any], turn: int) -> Sequence[int] | None:
        """None: as it is stored."""
        if turn == 0 or self.in_order:
            return None
        return orders.shuffled(row["choices"], self._seed, turn, row["prompt_id"])

    def reasoned(self, number: int) -> Example:
        """The stored prompt with the wish for reasons, and these with the letter; KeyError where there are none."""
        row = self.row(number)
        words = self._rationales[row["prompt_id"]]
        *others, last = row["messages"]
        messages = [*others, {**last, "content": f"{last['content']}\n\n{REASON}"}]
        said = f"{words}\nAnswer: {row['answer']}"
        prompt = letters.text(self._tokenizer, messages)
        before = letters.encode(self._tokenizer, prompt)
        whole = letters.encode(self._tokenizer, prompt + said)
        return Example(before, whole[len(before) :] + self._end(messages, prompt), [], [])

    def with_reasons(self) -> Places:
        """The rows that have a rationale."""
        ids = self._columns["prompt_id"].to_pylist()
        return np.array([row for row, each in enumerate(ids) if each in self._rationales], dtype=np.int64)

    def lengths(self) -> Places:
        """Tokens of each row, prompt and answer; where there are rationales, twice as many: then those with reasons.

        0 for a row without. Errors: RefusedInput naming the prompt.
        """
        found = [self.plain(number) for number in range(len(self))]
        plain = [len(each.prompt) + max(len(each.answer), len(each.rejected)) for each in found]
        if not self._rationales:
            return np.array(plain, dtype=np.int64)
        reasoned = np.zeros(len(self), dtype=np.int64)
        for row in self.with_reasons():
            each = self.reasoned(int(row))
            reasoned[row] = len(each.prompt) + len(each.answer)
        return np.concatenate([np.array(plain, dtype=np.int64), reasoned])

    def _example(
        self, row: Mapping[str, Any], messages: Sequence[letters.Message], answer: str, rejected: str | None
    ) -> Example:
        prompt = letters.text(self._tokenizer, messages)
        try:
            places = self._places(prompt, messages, row["choices"])
        except RefusedInput as error:
            raise RefusedInput(f"prompt {row['prompt_id']}: {error}") from error
        end = self._end(messages, prompt)
        chosen = [places[letters.LETTERS.index(answer)], *end]
        other = [places[letters.LETTERS.index(rejected)], *end] if rejected else []
        return Example(letters.encode(self._tokenizer, prompt), chosen, other, places)

    def _places(self, prompt: str, messages: Sequence[letters.Message], choices: int) -> list[int]:
        """Tokens of the letters, asked once for each way in which a prompt ends."""
        ending = _ending(prompt, messages)
        if len(self._letters.get(ending, ())) < choices:
            self._letters[ending] = letters.tokens(self._tokenizer, prompt, choices)
        return self._letters[ending][:choices]

    def _end(self, messages: Sequence[letters.Message], prompt: str) -> list[int]:
        """The token that ends the model's turn, as the chat template writes it."""
        ending = _ending(prompt, messages)
        if ending not in self._ends:
            answered = [*messages, {"role": "assistant", "content": "A"}]
            whole: str = self._tokenizer.apply_chat_template(answered, tokenize=False)
            after = whole.removeprefix(prompt + "A") if whole.startswith(prompt + "A") else ""
            ids = letters.encode(self._tokenizer, after)[:1]
            last = self._tokenizer.eos_token_id
            self._ends[ending] = (
                ids if ids and ids[0] in self._tokenizer.all_special_ids else [last] * (last is not None)
            )
        return self._ends[ending]


def _ending(prompt: str, messages: Sequence[letters.Message]) -> str:
    """What the template writes after the last words of the last message, with these words."""
    words = messages[-1]["content"].rstrip()[-8:]
    return words[-1:] + prompt.rpartition(words)[2]


def refuse_long(lengths: Places, prompt_ids: Sequence[str], most: int, why: str) -> None:
    """Errors: RefusedInput naming the longest example when it has more than `most` tokens."""
    longest = int(lengths.argmax())
    if lengths[longest] > most:
        raise RefusedInput(
            f"prompt {prompt_ids[longest]} has {lengths[longest]:,} tokens with its answer, and {why} allows {most:,}: "
            f"it would be cut, as would {int((lengths > most).sum()) - 1:,} others"
        )


def padded(rows: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of ids to the right of as many 0 as they lack, and the mask of what is no filler: both (rows, longest)."""
    width = max(map(len, rows))
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, width - len(row) :] = row
        mask[number, width - len(row) :] = 1
    return ids, mask
