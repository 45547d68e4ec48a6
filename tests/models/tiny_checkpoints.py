"""Tiny checkpoints of the genuine architectures, with random weights: an open_clip CLIP and a Qwen2.5-VL.

They are built in a second, and two seeds give two models, which is what tests of loading, batching and keys need.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurize.bundling.captioner import CHAT_TEMPLATE

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

_PAD, _START, _END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_VISION = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def build_clip(folder: Path, seed: int = 0, width: int = 128) -> None:
    """Write an open_clip checkpoint (`local-dir:<folder>`); `width` is the number of values of an embedding."""
    folder.mkdir(parents=True, exist_ok=True)
    import open_clip
    from safetensors.torch import save_file

    tokenizer = _byte_tokenizer([])
    config: dict[str, Any] = {
        "embed_dim": width,
        "vision_cfg": {"image_size": 128, "patch_size": 16, "width": width, "layers": 4, "head_width": 32},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": len(tokenizer),
            "width": width,
            "heads": width // 32,
            "layers": 2,
            "pool_type": "eos",
            "eos_id": tokenizer.convert_tokens_to_ids(_END),
            "pad_id": tokenizer.pad_token_id,
            # open_clip reads the tokenizer from the folder itself, but only when this is not empty.
            "hf_tokenizer_name": "local",
        },
    }
    weights = _weights(open_clip.CLIP(**config).state_dict(), seed)
    weights["logit_scale"].fill_(math.log(100))
    save_file(weights, folder / "open_clip_model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)
    preprocess = {"resize_mode": "squash", "interpolation": "bicubic"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2) + "\n", encoding="utf-8"
    )


VIDEO_TEMPLATE = CHAT_TEMPLATE.replace(
    "{% elif part['type'] == 'text' %}",
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>{% elif part['type'] == 'text' %}",
)


def build_captioner(folder: Path, seed: int = 0, template: str = CHAT_TEMPLATE) -> None:
    """Write a Qwen2.5-VL checkpoint with processor, chat template (that of videos takes both) and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    from safetensors.torch import save_file
    from transformers import (
        GenerationConfig,
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = _byte_tokenizer(_VISION)
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in [_PAD, _START, _END, *_VISION]}
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [0, 1],
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "bos_token_id": None,
            "eos_token_id": ids[_END],
            "pad_token_id": ids[_PAD],
        },
        tie_word_embeddings=False,  # tied and random, a model repeats its last token for ever
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    weights = _weights(Qwen2_5_VLForConditionalGeneration(config).state_dict(), seed)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [Qwen2_5_VLForConditionalGeneration.__name__]
    config.save_pretrained(folder)
    GenerationConfig(eos_token_id=ids[_END], pad_token_id=ids[_PAD]).save_pretrained(folder)
    Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=template,
    ).save_pretrained(folder)


def build_encoder(folder: Path, seed: int = 0, *, pooling: str = "mean_tokens", query: str | None = None) -> None:
    """Write a BERT as sentence-transformers does; it reads 64 tokens."""
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_tokenizer([])
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
    )
    save_file(_weights(BertModel(config).state_dict(), seed), folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [BertModel.__name__]
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    files = {
        "modules.json": [{"path": path, "type": f"sentence_transformers.models.{kind}"} for kind, path in modules],
        "sentence_bert_config.json": {"max_seq_length": 64},
        "1_Pooling/config.json": {f"pooling_mode_{name}": name == pooling for name in ("cls_token", "mean_tokens")},
        "config_sentence_transformers.json": {"prompts": {} if query is None else {"query": query}},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def _byte_tokenizer(extra: list[str]) -> PreTrainedTokenizerFast:
    """One token a byte, so that nothing has to be learnt; then the special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_PAD, _START, _END, *extra])
    if not extra:  # CLIP frames every text itself; a chat template does it for the captioner
        frame = [(token, tokenizer.token_to_id(token)) for token in (_START, _END)]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{_START} $A {_END}", special_tokens=frame)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=_END,
        pad_token=_PAD,
        padding_side="left" if extra else "right",
        extra_special_tokens=extra,
    )


def _weights(shapes: Mapping[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Values for these parameters, in bfloat16. Only exact arithmetic, unlike torch's normal_, so any CPU agrees."""
    import numpy as np
    import torch

    weights = {}
    for name, like in shapes.items():
        if like.ndim < 2:
            value = np.full(like.shape, 1.0 if name.endswith("weight") else 0.0, np.float32)
        else:
            fan_in = math.prod(like.shape[1:])
            random = np.random.default_rng([seed, zlib.crc32(name.encode())])
            value = (random.random(tuple(like.shape), np.float32) * 2 - 1) * np.float32(math.sqrt(3 / fan_in))
        weights[name] = torch.from_numpy(value).to(torch.bfloat16)
    return weights


def build_whisper(folder: Path, seed: int = 0) -> None:
    """Write a Whisper checkpoint (English only) with feature extractor and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    from safetensors.torch import save_file
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    tokenizer = _byte_tokenizer(["<|startoftranscript|>", "<|notimestamps|>"])
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (_PAD, _END, "<|startoftranscript|>")}
    begin, end, pad = ids["<|startoftranscript|>"], ids[_END], ids[_PAD]
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_target_positions=448,
        decoder_start_token_id=begin,
        bos_token_id=begin,
        eos_token_id=end,
        pad_token_id=pad,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        tie_word_embeddings=False,
    )
    model = WhisperForConditionalGeneration(config)
    save_file(_weights(model.state_dict(), seed), folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [WhisperForConditionalGeneration.__name__]
    config.save_pretrained(folder)
    GenerationConfig(
        decoder_start_token_id=begin,
        bos_token_id=begin,
        eos_token_id=end,
        pad_token_id=pad,
        is_multilingual=False,
        no_timestamps_token_id=tokenizer.convert_tokens_to_ids("<|notimestamps|>"),
        return_timestamps=False,
    ).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def build_qwen_audio(folder: Path, seed: int = 0) -> None:
    """Write a Qwen2-Audio checkpoint with processor, chat template and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    from safetensors.torch import save_file
    from transformers import (
        GenerationConfig,
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        WhisperFeatureExtractor,
    )

    tokenizer = _byte_tokenizer(["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"])
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (_PAD, _END, "<|AUDIO|>")}
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "d_model": 64,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 128,
            "num_mel_bins": 80,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "tie_word_embeddings": False,
        },
        audio_token_index=ids["<|AUDIO|>"],
    )
    model = Qwen2AudioForConditionalGeneration(config)
    save_file(_weights(model.state_dict(), seed), folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [Qwen2AudioForConditionalGeneration.__name__]
    config.save_pretrained(folder)
    GenerationConfig(eos_token_id=ids[_END], pad_token_id=ids[_PAD]).save_pretrained(folder)
    Qwen2AudioProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
