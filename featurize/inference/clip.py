"""The CLIP that both open_clip backends load: same settings, same weights, so pictures and texts share one space.

Invariant: open_clip's habit of going on with random weights when the file is absent ends here as RefusedInput.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from featurize.errors import RefusedInput
from featurize.inference import weights
from featurize.inference.extractor import ModelSettings
from featurize.inference.torch_device import DType, open_device, resolve_dtype

if TYPE_CHECKING:
    import torch

_CONFIG = "open_clip_config.json"
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
_TOKENIZER = ("*.json", "*.txt", "*.model")
_PRECISION = {"float32": "fp32", "bfloat16": "pure_bf16", "float16": "pure_fp16"}


class Settings(ModelSettings):
    """Settings of `open_clip_image` and `open_clip_text`."""

    model: str = Field(description="hub id, folder, bundled:<name>, or with `pretrained` an architecture: ViT-L-14")
    pretrained: str | None = Field(None, description="open_clip's tag of the weights of an architecture")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; a hub id needs one")
    dtype: DType | Literal["auto"] = Field("auto", description="auto: bfloat16 where the device is fast at it")


def identity(settings: Settings) -> dict[str, Any]:
    """The part of a fingerprint that says which CLIP this is. Needs no torch. Errors: RefusedInput."""
    dtype = resolve_dtype(settings.dtype, settings.device)
    if settings.pretrained is None:
        return {"weights": _resolve(settings).identity, "dtype": dtype}
    tag = {"architecture": settings.model, "pretrained": settings.pretrained, "revision": settings.revision}
    return {"weights": tag, "dtype": dtype}


def load(settings: Settings) -> tuple[Any, torch.device]:
    """The open_clip model on its device, and that device.

    Errors: RefusedInput when the weights are missing or do not fit, or there is no GPU.
    """
    import open_clip
    from safetensors import SafetensorError

    device = open_device(settings.device, settings.cpus)
    file = _weights_file(settings)
    if settings.pretrained is None:
        source: dict[str, Any] = {"model_name": f"local-dir:{file.parent}"}
    else:
        tag = open_clip.get_pretrained_cfg(settings.model, settings.pretrained)
        source = {
            "model_name": settings.model,
            "pretrained": str(file),
            "force_preprocess_cfg": tag,
            "force_quick_gelu": tag.get("quick_gelu", False),
        }
    precision = _PRECISION[resolve_dtype(settings.dtype, settings.device)]
    try:
        model = open_clip.create_model(**source, precision=precision, device=device, require_pretrained=True)
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise RefusedInput(f"open_clip cannot load {file}: {error}") from error
    return model.eval(), device


def load_tokenizer(settings: Settings) -> Any:
    """open_clip's tokenizer: texts to int64 of shape (n, context length)."""
    import open_clip

    if settings.pretrained is not None:
        return open_clip.get_tokenizer(settings.model)
    return open_clip.get_tokenizer(f"local-dir:{_weights_file(settings).parent}")


def logit_scale(settings: Settings) -> float:
    """What cosines are multiplied by before a softmax over labels. Reads one number; loads no model."""
    return math.exp(weights.read_scalar(_weights_file(settings), "logit_scale"))


def _resolve(settings: Settings) -> weights.Weights:
    return weights.resolve(settings.model, settings.revision, _CONFIG)


def _weights_file(settings: Settings) -> Path:
    """The safetensors that open_clip will load, downloaded when missing."""
    if settings.pretrained is None:
        folder = _resolve(settings).fetch([*_WEIGHTS, *_TOKENIZER])
    else:
        folder = _download_tag(settings.model, settings.pretrained, settings.revision)
    file = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise RefusedInput(f"{folder} has no {' or '.join(_WEIGHTS)}")
    return file


def _download_tag(architecture: str, pretrained: str, revision: str | None) -> Path:
    import open_clip

    if architecture not in open_clip.list_models():
        raise RefusedInput(
            f"open_clip has no architecture '{architecture}'; a folder or hub id goes without pretrained"
        )
    tag = open_clip.get_pretrained_cfg(architecture, pretrained)
    repo = tag.get("hf_hub", "").strip("/")
    if repo.count("/") != 1:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture))
        raise RefusedInput(f"pretrained '{pretrained}' of {architecture} has no safetensors on the hub; tags: {tags}")
    return weights.download(repo, revision, _WEIGHTS)
