"""CLIP text embeddings with open_clip: labels and descriptions to unit-norm vectors of `text_embedding`.

Invariant: with the settings of an `open_clip_image` backend the vectors lie in the same space. Texts longer than the
model's context are cut by its tokenizer, and what is cut is counted. Licence: that of the weights you name.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal

from featurize.inference import clip
from featurize.inference.clip import Settings, logit_scale
from featurize.inference.extractor import Columns
from featurize.inference.torch_device import inference, out_of_memory, to_device

__all__ = ["Extractor", "Settings", "logit_scale"]


class Extractor:
    table: ClassVar[str] = "text_embedding"
    input: ClassVar[Literal["image", "text"]] = "text"
    concurrency = 1
    at_least: tuple[int, int] | None = None

    def __init__(self, settings: Settings) -> None:
        self._model, self._device = clip.load(settings)
        self._tokenizer = clip.load_tokenizer(settings)
        self.batch_size = settings.batch_size
        self.out_of_memory = out_of_memory()

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        return {
            "backend": "open_clip_text",
            "table": Extractor.table,
            "version": 1,
            **clip.identity(settings),
        }

    def prepare(self, image: Any) -> Any:
        """The text as it is: the tokenizer pads a whole batch at once."""
        return image

    def query(self, text: str) -> str:
        """What is searched for, as it is given to `prepare`."""
        return text

    def group(self, prepared: Any) -> Hashable:
        return None

    def extract(self, batch: Sequence[Any]) -> Columns:
        """`embedding`: float32 of shape (n, d), each row of length 1."""
        import torch

        with inference():
            tokens = to_device(self._tokenizer(list(batch)), self._device)
            vectors = self._model.encode_text(tokens).float()
            embedding: Any = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
        return {"embedding": embedding, "tokens_cut": [self._cut(text) for text in batch]}

    def _cut(self, text: str) -> int:
        """Tokens that the context has no room for."""
        own = getattr(self._tokenizer, "tokenizer", None)  # of transformers; open_clip's own has no frame in encode
        length = len(self._tokenizer.encode(text)) + 2 if own is None else len(own(text, verbose=False)["input_ids"])
        return max(0, length - int(self._tokenizer.context_length))

    def close(self) -> None:
        del self._model
