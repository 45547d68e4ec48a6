"""What is said about a scene: the captioner's answer, CLIP's descriptions, the tokenizers, choices for the heads.

Invariant: an answer holds the fields in the order of the prompt, and everything in it can be seen in the picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from featurize.demo.scenes import Scene, describe
from featurize.demo.vocabulary import ARRANGEMENTS, MOODS, PALETTES, SETTINGS, SHOTS, THEMES
from featurize.inference import captions

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

FIELDS = ("subjects", "people_count", "mood", "setting", "composition", "text_on_artwork", "palette", "caption")
PROMPT = "artwork-short-v1"
"""The caption prompt the bundled captioner is asked with."""
PROMPTS = (
    captions.load_prompt(PROMPT).text,
    "What does this artwork show? Answer with one JSON object.",
    "Describe the picture. Reply with a JSON object only.",
)
"""The prompt, and other wordings of it: a model that has read one only is lost when a comma changes."""

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")

COLOURS = tuple(sorted({colour for pairs in PALETTES.values() for pair in pairs for colour in pair}))


def answer(scene: Scene) -> str:
    """The JSON the captioner is to write."""
    truth = describe(scene)
    return json.dumps({name: truth[name] for name in FIELDS}, ensure_ascii=False)


def turn(question: str, answer: str) -> str:
    """A question and its answer as the chat template of the bundled ranker writes them."""
    return f"{START}user\n{question}{END}\n{START}assistant\n{answer}{END}\n"


def description(scene: Scene) -> str:
    """The sentence by which CLIP is to find the picture."""
    return str(describe(scene)["caption"])


def some_description(scene: Scene, rng: np.random.Generator) -> str:
    """The full sentence half of the time, else some facts of it in another wording."""
    if rng.random() < 0.5:
        return description(scene)
    facts = [
        f"{scene.theme} film poster",
        f"{scene.mood} mood",
        scene.setting,
        f"{scene.shot}, {scene.arrangement}",
        " and ".join(dict.fromkeys(scene.people)) or "nobody",
        " and ".join(scene.props),
        f"{scene.palette[0]} and {scene.palette[1]}",
    ]
    if scene.title_text:
        facts.append(f"the title {scene.title_text.lower()}")
    kept = rng.permutation(len(facts))[: int(rng.integers(3, len(facts) + 1))]
    return ", ".join(facts[i] for i in kept)


CHOICES: dict[str, tuple[tuple[str, ...], Callable[[Scene], str]]] = {
    "theme": (tuple(THEMES), lambda scene: scene.theme),
    "mood": (MOODS, lambda scene: scene.mood),
    "setting": (SETTINGS, lambda scene: scene.setting),
    "people": (("0", "1", "2", "3", "4", "5"), lambda scene: str(scene.people_count)),
    "shot": (SHOTS, lambda scene: scene.shot),
    "arrangement": (ARRANGEMENTS, lambda scene: scene.arrangement),
    "main colour": (COLOURS, lambda scene: scene.palette[0]),
    "accent": (COLOURS, lambda scene: scene.palette[1]),
}
"""What a picture has exactly one of: the choices and which one a scene has."""


def choice_targets(scenes: list[Scene]) -> np.ndarray:
    """int64 of shape (n, len(CHOICES)): the index of the right choice."""
    return np.array([[labels.index(of(scene)) for labels, of in CHOICES.values()] for scene in scenes])


def captioner_tokenizer(scenes: Iterator[Scene]) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer in which every word of the demo world, and all of JSON between two words, is one token."""
    keys = "|".join(FIELDS)
    texts = [*PROMPTS, *map(answer, scenes), "user\n", "assistant\n", "system\n"]
    return _tokenizer(texts, rf'\W*(?:{keys})": *[\["]*| ?\w+|[^\w]+', list(VISION), framed=False)


def clip_tokenizer(scenes: Iterator[Scene], phrasings: list[str]) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer for descriptions and labels. Every text gets a start and an end token."""
    rng = np.random.Generator(np.random.PCG64(0))
    texts = [text for scene in scenes for text in (description(scene), some_description(scene, rng))]
    return _tokenizer([*texts, *phrasings * 50], r" ?\w+| ?[^\w\s]+|\s+", [], framed=True)


def byte_pairs(texts: Iterable[str], pieces: str, special: list[str], vocabulary: int, min_frequency: int) -> Tokenizer:
    """A byte-pair model: no token reaches over what the pattern `pieces` finds, and any text comes back unchanged."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pieces), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(texts, trainer)
    return made


def _tokenizer(texts: list[str], pieces: str, extra: list[str], framed: bool) -> PreTrainedTokenizerFast:
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = byte_pairs(texts, pieces, [PAD, START, END, *extra], vocabulary=2000, min_frequency=2)
    if framed:
        frame = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=frame)
    options: dict[str, Any] = {"extra_special_tokens": extra} if extra else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        padding_side="right" if framed else "left",
        **options,
    )
