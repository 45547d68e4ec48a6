"""What the featurize job knows of videos and sound: their models, what is planned for each, and what decodes them.

Invariant: a catalogue without clips asks nothing of ffmpeg, and clips without a model for them need none.
"""

from __future__ import annotations

from featurize.config import Settings
from featurize.inference.extractor import ModelSettings
from featurize.media.decode import Decoder, Limits

TABLES = ("clip", "clip_description", "transcript", "sound_description")
WANTED = {"frames": "FROM clip_file WHERE NOT sound", "audio": "FROM clip_file"}
"""By what a backend is given, the clips to give it."""
SHARD = 32
"""Clips of a shard at most: a few minutes of work."""


def patient(settings: Settings, batch_size: int, threads: int) -> Settings:
    """With a worker's time without progress longer by what may be decoded until a batch is full."""
    longer = settings.run.stall_seconds + (batch_size / threads + 1) * settings.clips.decode_seconds
    return settings.model_copy(update={"run": settings.run.model_copy(update={"stall_seconds": longer})})


def models(settings: Settings) -> dict[str, ModelSettings]:
    """Name of the phase -> model, of those that are set."""
    found = {"clips": settings.describe_clips, "speech": settings.transcribe, "sound": settings.describe_sound}
    return {name: model for name, model in found.items() if model is not None}


def decoder(settings: Settings) -> Decoder:
    """What the settings say of decoding."""
    said = settings.clips
    limits = Limits(said.max_bytes, said.max_seconds, said.max_pixels, said.decode_seconds)
    return Decoder(said.ffmpeg, said.ffprobe, limits)


def ready(settings: Settings, decoder: Decoder) -> list[str]:
    """Asked once a catalogue has clips; returns what to tell. Errors: RefusedInput when the decoder is missing."""
    if not models(settings):
        return ["no model is set for the clips (describe_clips, transcribe, describe_sound): they are only listed"]
    decoder.refuse_missing()
    return []
