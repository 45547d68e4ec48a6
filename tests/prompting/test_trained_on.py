"""What TRL makes of the training files: one real step on each, and the answer is all that is learnt from."""

import math
from pathlib import Path

import pytest
from datasets import load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from . import worlds

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The folder of the training files of a small world."""
    for name in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "1")
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", True)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    world = worlds.plain(impressions=24)
    for number, row in enumerate(world.impression):
        row["artwork_id"] = row["candidates"][number % 3]
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__export=tmp_path / "files") == 0
    return tmp_path / "files"


def rows(files, form):
    return load_dataset(
        "json", data_files=str(files / f"{form}-train.jsonl"), split="train", cache_dir=str(files.parent / "cache")
    )


def tokenizer(texts):
    """Bytes and what is often beside what, learnt from these texts."""
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<|pad|>", eos_token="<|end|>", chat_template=TEMPLATE
    )


def llama(words):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id, "bos_token_id": None}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(words), max_position_embeddings=4096, **size, **ends))


def one_step(folder: Path):
    return {
        "output_dir": str(folder),
        "max_steps": 1,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.1,
        "max_length": None,
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
    }


def weights(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def changed(model, before):
    return {name for name, value in model.named_parameters() if not value.equal(before[name])}


def test_sft_learns_the_letter_and_the_end_of_the_answer(files, tmp_path):
    from trl import SFTConfig, SFTTrainer

    data = rows(files, "sft")
    assert len(data) > 4
    words = tokenizer([message["content"] for row in data for message in row["prompt"]])
    model = llama(words)
    trainer = SFTTrainer(model, SFTConfig(**one_step(tmp_path / "sft")), train_dataset=data, processing_class=words)
    batch = next(iter(trainer.get_train_dataloader()))
    learnt = [words.decode(labels[labels != -100]) for labels in batch["labels"]]
    assert len(learnt) == 4
    assert set(learnt) <= {"A<|end|>", "B<|end|>", "C<|end|>"}
    whole = [
        words.decode(ids[mask == 1]) for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    examples = {(_said(words, row["prompt"]), row["completion"][0]["content"]) for row in data}
    for text, answer in zip(whole, learnt, strict=True):
        assert (text.removesuffix(answer), answer[0]) in examples
    before = weights(model)
    assert math.isfinite(trainer.train().training_loss)
    assert changed(model, before)


def test_dpo_compares_two_letters_after_the_same_prompt(files, tmp_path):
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    data = rows(files, "dpo")
    words = tokenizer([message["content"] for row in data for message in row["prompt"]])
    trainer = DPOTrainer(
        llama(words),
        args=DPOConfig(**one_step(tmp_path / "dpo")),
        train_dataset=data,
        processing_class=words,
        peft_config=LoraConfig(r=2, target_modules=["q_proj", "v_proj"]),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    asked, said = [], []
    for ids, mask, completion in zip(
        batch["input_ids"], batch["attention_mask"], batch["completion_mask"], strict=True
    ):
        asked.append(words.decode(ids[(mask == 1) & (completion == 0)]))
        said.append(words.decode(ids[completion == 1]))
    assert len(said) == 8
    pairs = {(_said(words, r["prompt"]), r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in data}
    for number in range(4):
        assert asked[number] == asked[number + 4]
        assert said[number][1:] == said[number + 4][1:] == "<|end|>"
        assert (asked[number], said[number][0], said[number + 4][0]) in pairs
    before = weights(trainer.model)
    assert math.isfinite(trainer.train().training_loss)
    moved = changed(trainer.model, before)
    assert moved
    assert all("lora" in name for name in moved)


def _said(words, prompt):
    return words.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
