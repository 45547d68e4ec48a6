"""The tokens of the answers, asked of real tokenizers on the very prompt."""

import pytest
from transformers import PreTrainedTokenizerFast

from featurize.bundling import ranker_tokens
from featurize.bundling.texts import END, PAD, START, byte_pairs
from featurize.errors import RefusedInput
from featurize.inference import letters

MESSAGES = [{"role": "system", "content": "Choose."}, {"role": "user", "content": "A. a cat\nB. a dog"}]


@pytest.fixture(scope="module")
def bundled():
    return ranker_tokens.tokenizer(["A. a cat and a dog"] * 50)


def saved(folder, pieces, template=ranker_tokens.CHAT_TEMPLATE):
    """A tokenizer on disk that cuts texts at the pattern `pieces`."""
    made = byte_pairs(["cat dog Answer: A Answer: B"] * 50, pieces, [PAD, START, END], vocabulary=400, min_frequency=2)
    found = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, pad_token=PAD)
    if template:
        found.chat_template = template
    found.save_pretrained(folder)
    return folder


def test_a_letter_is_the_token_that_an_answer_begins_with(bundled):
    prompt = letters.text(bundled, MESSAGES)
    assert prompt.endswith(f"{START}assistant\n")
    found = letters.tokens(bundled, prompt, 52)
    assert bundled.convert_ids_to_tokens(found) == list(letters.LETTERS)
    answered = bundled.apply_chat_template([*MESSAGES, {"role": "assistant", "content": "B"}], tokenize=False)
    ids = letters.encode(bundled, answered)
    assert ids[len(letters.encode(bundled, prompt))] == found[1]


def test_the_place_decides_the_token(tmp_path):
    """After "Answer:" a letter is written with the space before it; the template decides, not the letter."""
    template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}Answer: "
    found = letters.tokenizer(saved(tmp_path, r" ?[A-Za-z]+|\n|[^\w\s]", template))
    with pytest.raises(RefusedInput, match="writes the answer A as ĠA in the place of Ġ, the end of the prompt"):
        letters.tokens(found, letters.text(found, MESSAGES), 2)


def test_more_candidates_than_letters_are_refused(bundled):
    with pytest.raises(RefusedInput, match="53 candidates are more than there are letters"):
        letters.tokens(bundled, letters.text(bundled, MESSAGES), 53)


def test_a_model_without_a_chat_template_is_refused(tmp_path):
    with pytest.raises(RefusedInput, match="has no chat template"):
        letters.tokenizer(saved(tmp_path, r" ?[A-Za-z]+|\n|[^\w\s]", None))
    with pytest.raises(RefusedInput, match="holds no tokenizer"):
        letters.tokenizer(tmp_path / "nowhere")
