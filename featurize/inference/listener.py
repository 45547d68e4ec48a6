"""What every backend that listens to clips is told: whose weights hear, or which endpoint, and what is too quiet."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from featurize.inference import served, weights
from featurize.inference.extractor import ModelSettings
from featurize.inference.served import ServedSettings
from featurize.inference.torch_device import DType, resolve_dtype


class ListenerSettings(ModelSettings):
    """Exactly one of `model` and `endpoint` is given."""

    model: str | None = Field(None, description="hub id or folder of a model of that architecture; or give endpoint")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; a hub id needs one")
    dtype: DType | Literal["auto"] = Field("auto", description="auto: bfloat16 where the device is fast at it")
    endpoint: ServedSettings | None = Field(None, description="the endpoint that is asked instead of a model here")
    silence_db: float = Field(
        -50, le=0, description="loudness of its loudest moment, in dB below full scale, below which a clip is silent"
    )
    batch_size: int = Field(8, ge=1, description="clips, or stretches of them, of one batch, at most")

    @model_validator(mode="before")
    @classmethod
    def _one_by_one(cls, values: Any) -> Any:
        """An endpoint makes its own batches."""
        return {"batch_size": 1, **values} if isinstance(values, dict) and values.get("endpoint") else values

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.model is None) == (self.endpoint is None):
            raise ValueError("give exactly one of 'model' and 'endpoint'")
        return self

    def identity(self) -> dict[str, Any]:
        """Of who listens, for a fingerprint. Errors: RefusedInput when weights are missing."""
        if self.endpoint:
            return {"endpoint": served.identity(self.endpoint), "dtype": self.endpoint.dtype}
        return {"weights": self.weights().identity, "dtype": resolve_dtype(self.dtype, self.device)}

    def weights(self) -> weights.Weights:
        """Of `model`. Errors: RefusedInput."""
        return weights.resolve(str(self.model), self.revision, "config.json")
