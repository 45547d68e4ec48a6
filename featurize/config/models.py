"""The sections that name a model: each is checked by the Settings of the backend it names."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, ValidationInfo

from featurize.inference.extractor import ModelSettings
from featurize.models import load_backend

SECTION_OF = {
    "image_embedding": "embed",
    "description": "describe",
    "clip_description": "describe_clips",
    "transcript": "transcribe",
    "sound_description": "describe_sound",
    "text_embedding": "text",
}
"""By the table that a backend fills, the section that names it."""


def _backend_settings(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("backend") is None:
        raise ValueError("the key 'backend' is missing")
    backend = load_backend(str(value["backend"]))
    section = info.field_name
    wanted = next(table for table, name in SECTION_OF.items() if name == section)
    made = backend.Extractor.table
    takes_pictures = section == "describe" and backend.Extractor.input == "image"
    if made != wanted and not takes_pictures:  # tags are made of the vectors of embed, for one
        raise ValueError(f"backend '{value['backend']}' makes rows of {made}, not of {wanted}")
    return backend.Settings.model_validate(value)


Model = Annotated[SerializeAsAny[ModelSettings] | None, BeforeValidator(_backend_settings)]
