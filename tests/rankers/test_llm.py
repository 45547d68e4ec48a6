"""Letters are read as the model would say them, whatever shares a batch or a beginning, and without its leanings."""

import dataclasses
import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from featurize.errors import BadImage, RefusedInput
from featurize.inference import letters
from featurize.inference.ranker import Given, Prior, Prompt
from featurize.rankers import llm
from featurize.ranking import prior
from tests.rankers import tiny_lms

LOOKS = ["a calm forest", "one man", "a tense close-up of one man", "a horror", "the title", "calm; titled", "a member"]


def prompt(number, member=0, candidates=4, history=30):
    """Of a member whose prompts begin alike; the candidates differ from prompt to prompt."""
    lately = " ".join(LOOKS[(member * 7 + n * (member + 3)) % len(LOOKS)] for n in range(history))
    lines, letter_at, line_at = [], [], []
    content = f"Lately: {lately}\nTitle: {number}\n"
    for place in range(candidates):
        line_at.append(len(content))
        letter_at.append(len(content))
        lines.append(f"{letters.LETTERS[place]}. {LOOKS[(number + place * 3) % len(LOOKS)]} {number}-{place}")
        content += lines[-1] + "\n"
    content = content[:-1]
    line_at.append(len(content))
    content += "\nWhich?"
    messages = [{"role": "system", "content": "Which artwork?"}, {"role": "user", "content": content}]
    return Prompt(
        prompt_id=f"{number:032}",
        kind="logged",
        member_id=f"m{member}",
        title_id=f"t{number}",
        asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        artwork_ids=[f"{number}-{place}" for place in range(candidates)],
        same_as=None,
        messages=messages,
        slots={"lines": line_at, "letters": letter_at},
        answer="A",
        propensity=0.5,
        propensities=None,
        device=None,
        country=None,
        language=None,
        time_zone=None,
    )


OTHERS = ("qwen2", "gpt_neox", "phi")
PROMPTS = [prompt(n, member=n // 5, candidates=2 + n % 4) for n in range(20)]


def ranked(folder, prompts=PROMPTS, orders=1, known=None, **settings):
    ranker = llm.Ranker(llm.Settings(dtype="float32", **settings), Given(str(folder), orders, known))
    found = dict(ranker.rank(prompts))
    ranker.close()
    assert sorted(found) == list(range(len(prompts)))
    return [found[place] for place in range(len(prompts))]


def said_one_by_one(folder, prompts):
    """By each prompt alone, in one forward pass: the log-probabilities of its letters."""
    tokenizer = letters.tokenizer(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for each in prompts:
        text = letters.text(tokenizer, each.messages)
        ids = letters.encode(tokenizer, text)
        with torch.inference_mode():
            sure = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        yield sure[letters.tokens(tokenizer, text, len(each.artwork_ids))].tolist()


@pytest.mark.parametrize("kind", ["llama", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_scores_are_those_of_each_prompt_alone(kind, tmp_path, monkeypatch):
    folder = tiny_lms.save(tmp_path / kind, kind)
    alone = list(said_one_by_one(folder, PROMPTS))
    assert max(max(each) - min(each) for each in alone) > 0.5  # the letters are not all alike
    shared = []
    from featurize.inference.prefill import Prefill

    original = Prefill._shared
    monkeypatch.setattr(Prefill, "_shared", lambda *a: shared.append(len(a[2])) or original(*a))
    for settings in ({}, {"batch_tokens": 300}, {"batch_tokens": 1}, {"share_prefix": False}):
        shared.clear()
        for found, expected in zip(ranked(folder, **settings), alone, strict=True):
            assert found.scores == pytest.approx(expected, abs=2e-4)
            assert found.letter_share == pytest.approx(sum(map(math.exp, expected)), abs=1e-4)
        assert shared == ([] if settings.get("share_prefix") is False else [5, 5, 5, 5])


@pytest.mark.slow
def test_a_sliding_window_is_not_shared_and_scores_all_the_same(tmp_path):
    folder = tiny_lms.save(tmp_path / "m", "qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=1)
    for found, expected in zip(ranked(folder), said_one_by_one(folder, PROMPTS), strict=True):
        assert found.scores == pytest.approx(expected, abs=2e-4)


@pytest.fixture(scope="module")
def leaning(tmp_path_factory):
    """The same model twice: one answers A to nearly everything."""
    folder = tmp_path_factory.mktemp("leaning")
    return [
        tiny_lms.save(folder / name, "phi", leaning=much)
        for name, much in (("even", None), ("leans", {"A": 9, "B": 3}))
    ]


def picks(found):
    return [int(np.argmax(each.scores)) for each in found]


@pytest.mark.slow
def test_all_orders_take_a_leaning_out(leaning):
    even, leans = (ranked(folder, orders=99) for folder in leaning)
    assert picks(ranked(leaning[1])) == [0] * len(PROMPTS)
    assert len(set(picks(leans))) > 2
    for one, other in zip(even, leans, strict=True):
        difference = np.subtract(one.scores, other.scores)
        assert difference == pytest.approx([difference.mean()] * len(difference), abs=1e-3)


@pytest.mark.slow
def test_the_prior_takes_a_leaning_out(leaning):
    found = []
    for folder in leaning:
        sums = {}
        for each in ranked(folder, orders=prior.ALL_ORDERS):
            total, done = sums.get(len(each.by_letter), (0, 0))
            sums[len(each.by_letter)] = (np.add(total, each.by_letter).tolist(), done + 1)
        known = prior.of("x", [sums])
        found.append(ranked(folder, known=known))
    assert picks(ranked(leaning[0])) != picks(ranked(leaning[1]))
    assert picks(found[0]) == picks(found[1])
    assert len(set(picks(found[1]))) > 2


def test_what_cannot_be_asked_is_told_and_holds_up_no_other(tmp_path):
    folder = tiny_lms.save(tmp_path / "m", positions=300)
    long = prompt(99, history=200)
    found = ranked(folder, [*PROMPTS[:3], long, *PROMPTS[3:6]])
    assert isinstance(found[3], BadImage)
    assert "tokens, and the model reads 300" in found[3].detail
    assert sum(isinstance(each, BadImage) for each in found) == 1


@pytest.mark.slow
def test_out_of_memory_halves_the_batch_and_loses_nothing(tmp_path):
    folder = tiny_lms.save(tmp_path / "m")
    ranker = llm.Ranker(llm.Settings(dtype="float32", batch_tokens=100_000, share_prefix=False), Given(str(folder)))
    forward, halved = ranker._prefill._model.forward, []

    def small(input_ids, **options):
        if input_ids.numel() > 400:
            halved.append(len(input_ids))
            raise MemoryError("too many tokens at once")
        return forward(input_ids=input_ids, **options)

    ranker._prefill._model.forward = small
    found = dict(ranker.rank(PROMPTS))
    for place, expected in enumerate(ranked(folder)):
        assert found[place].scores == pytest.approx(expected.scores, abs=2e-4)
    assert ranker._prefill.batch_tokens < 1000
    assert len(halved) > 2


@pytest.mark.slow
def test_an_adapter_is_read_beside_its_base(tmp_path):
    from peft import LoraConfig, get_peft_model

    base = tiny_lms.save(tmp_path / "base")
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False),
    )
    model.save_pretrained(tmp_path / "adapter")
    model.merge_and_unload().save_pretrained(tmp_path / "merged")
    letters.tokenizer(base).save_pretrained(tmp_path / "merged")
    found, merged, plain = (ranked(tmp_path / name) for name in ("adapter", "merged", "base"))
    for one, other, third in zip(found, merged, plain, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-3)
        assert one.scores != pytest.approx(third.scores, abs=1e-2)
    keys = [json.dumps(llm.Ranker.fingerprint(llm.Settings(), Given(str(tmp_path / n)))) for n in ("adapter", "base")]
    assert keys[0] != keys[1]
    (tmp_path / "adapter" / "adapter_model.safetensors").rename(tmp_path / "adapter" / "other.safetensors")
    with pytest.raises(RefusedInput, match=r"adapter_config.json is there, and adapter_model.safetensors is not"):
        ranked(tmp_path / "adapter")


def test_models_that_cannot_be_asked_are_refused_in_a_sentence(tmp_path):
    folder = tiny_lms.save(tmp_path / "m")
    (folder / "chat_template.jinja").rename(tmp_path / "template")
    with pytest.raises(RefusedInput, match="has no chat template"):
        ranked(folder)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %} Answer: m")
    with pytest.raises(RefusedInput, match="writes the answer a as"):
        ranked(folder, [many(30)])
    with pytest.raises(RefusedInput, match="53 candidates are more than there are letters"):
        ranked(tiny_lms.save(tmp_path / "n"), [many(53)])
    with pytest.raises(RefusedInput, match="an older version made them"):
        ranked(tmp_path / "n", [dataclasses.replace(prompt(1), slots=None)], orders=2)


def many(candidates):
    return dataclasses.replace(prompt(1), artwork_ids=[str(n) for n in range(candidates)])


@pytest.mark.slow
def test_a_fingerprint_names_what_changes_the_numbers(tmp_path):
    one, two = (str(tiny_lms.save(tmp_path / str(seed), seed=seed)) for seed in (1, 2))
    settings = llm.Settings(dtype="float32")
    known = Prior("t", {2: [-0.1, -2.0]})
    all_of = [
        llm.Ranker.fingerprint(*each)
        for each in [
            (settings, Given(one)),
            (settings, Given(two)),
            (llm.Settings(dtype="bfloat16"), Given(one)),
            (settings, Given(one, orders=2)),
            (settings, Given(one, prior=known)),
        ]
    ]
    assert len({json.dumps(each, sort_keys=True) for each in all_of}) == len(all_of)
    same = llm.Ranker.fingerprint(llm.Settings(dtype="float32", batch_tokens=7, cpus=1), Given(one, cpus=3))
    assert same == all_of[0]
