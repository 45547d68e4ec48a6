"""The tokenizer of the bundled ranker, and its chat template.

Invariants: any text can be encoded and comes back unchanged; a capital letter that stands alone is one token, and the
same one whether it begins a line, follows a space or is the whole answer; a number below 1,000 is one token.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from featurize.bundling.texts import END, PAD, START, byte_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 3072
_NUMBERS = 300
"""How often each number is learnt from: so often that none is left out for a word that is rarer."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_PIECES = r"[A-Z](?![A-Za-z])|\d{1,3}| ?(?![A-Z](?![A-Za-z]))[^\W\d_]+|\n|[^\S\n]+|[^\w\s]|_"


def tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer whose words are those of `texts`."""
    from transformers import PreTrainedTokenizerFast

    numbers = " ".join(map(str, range(1000)))
    texts = [*texts, *[numbers] * _NUMBERS]
    made = byte_pairs(texts, _PIECES, [PAD, START, END], vocabulary=VOCABULARY, min_frequency=40)
    options: dict[str, Any] = {"clean_up_tokenization_spaces": False}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        **options,
    )
