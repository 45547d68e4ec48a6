"""The tokenizer of the bundled ranker, and its chat template.

Invariants: any text can be encoded and comes back unchanged; a capital letter that stands alone is one token, and the
same one whether it begins a line, follows a space or is the whole answer; a number below 1,000 is one token.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
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
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=40,
        show_progress=False,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    numbers = " ".join(map(str, range(1000)))
    made.train_from_iterator([*texts, *[numbers] * _NUMBERS], trainer)
    options: dict[str, Any] = {"clean_up_tokenization_spaces": False}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        **options,
    )
