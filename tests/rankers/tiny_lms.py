"""Tiny causal LMs on disk: the genuine architectures with random weights, a real tokenizer and a chat template."""

import torch
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from featurize.bundling import ranker_tokens

WORDS = "Which artwork makes the member watch the title? A tense calm horror close-up of one man in a forest; titled. "
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
MODELS = {
    "llama": (LlamaConfig, LlamaForCausalLM, {"num_key_value_heads": 2}),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {"num_key_value_heads": 2}),
    "gpt_neox": (GPTNeoXConfig, GPTNeoXForCausalLM, {}),
    "phi": (PhiConfig, PhiForCausalLM, {"num_key_value_heads": 2}),
}


def tokenizer():
    return ranker_tokens.tokenizer([WORDS] * 60)


def save(folder, kind="llama", seed=0, positions=4096, leaning=None, **changes):
    """A model of a few ten thousand parameters; two seeds are two models.

    `leaning` is added to the logits of these letters, whatever is asked (only phi has a bias there).
    """
    config, model, more = MODELS[kind]
    tokens = tokenizer()
    torch.manual_seed(seed)
    sizes = {**SIZES, **more, "vocab_size": len(tokens), "max_position_embeddings": positions, **changes}
    made = model(config(**sizes, initializer_range=0.3, bos_token_id=0, eos_token_id=0))
    with torch.no_grad():
        for letter, much in (leaning or {}).items():
            made.lm_head.bias[tokens.convert_tokens_to_ids(letter)] += much
    made.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder
