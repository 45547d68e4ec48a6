"""From an item of a shard to what a model eats: read, check the hash, decode, prepare. Runs in threads.

Invariant: what is wrong with one file is a `Failure` with its stage; only what is wrong with the run is raised.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurize.errors import ArtworkError, BadImage
from featurize.execution.plan import Item
from featurize.execution.room import Room
from featurize.execution.watch import Watch
from featurize.images.decode import open_picture
from featurize.inference.extractor import Extractor
from featurize.intake.files import pieces, read_bytes
from featurize.intake.web import Web, is_web
from featurize.storage import secrets

if TYPE_CHECKING:
    from featurize.execution.run import Phase

log = logging.getLogger("featurize")


@dataclass(frozen=True)
class Failure:
    stage: str
    error: BadImage


@dataclass(frozen=True)
class Ready:
    prepared: Any
    damage: str | None = None


def prepare(item: Item, extractor: Extractor, phase: Phase, room: Room, watch: Watch) -> Ready | Failure:
    """What the model eats. Pixels are held no longer than that takes."""
    if extractor.input == "text":
        return Ready(extractor.prepare(item.source))
    stages = _Stages()
    try:
        if extractor.input == "image":
            return _picture(item, extractor, phase, room, watch, stages)
        return _clip(item, extractor, phase, room, watch, stages)
    except BadImage as error:
        return Failure(stages.now, error)
    except ArtworkError:
        raise
    except Exception as error:
        log.debug("preparing %s", item.source, exc_info=True)
        reason = BadImage("model_error" if stages.now == "model" else "decode_error", in_words(error))
        return Failure(stages.now, reason)


@dataclass
class _Stages:
    now: str = "read"


def _picture(item: Item, extractor: Extractor, phase: Phase, room: Room, watch: Watch, stages: _Stages) -> Ready:
    with watch.on("read_s"):
        data = read_bytes(item.source, phase.web)
        watch.has_read(len(data))
        _refuse_other(hashlib.sha256(data).hexdigest(), item)
    stages.now = "decode"
    with watch.on("decode_s"):
        picture = open_picture(data, phase.limits, extractor.at_least)
    with room.held(picture.weight), watch.on("decode_s"):
        pixels, damage = picture.rgb(), picture.header.damage
        del picture  # with what it has decoded: it must not outlast its room
        stages.now = "model"
        ready = Ready(extractor.prepare(pixels), damage)
        del pixels
    return ready


def _clip(item: Item, extractor: Extractor, phase: Phase, room: Room, watch: Watch, stages: _Stages) -> Ready:
    decoder = phase.clips
    with _on_disk(item, phase.web, decoder.limits.max_bytes, watch) as path:
        stages.now = "decode"
        if extractor.input == "audio":
            with watch.on("decode_s"):
                clip: Any = decoder.sound(path)
        else:
            count, pixels = extractor.frames
            with room.held(count * pixels), watch.on("decode_s"):
                clip = decoder.frames(path, count, pixels)
    stages.now = "model"
    with watch.on("decode_s"):
        return Ready(extractor.prepare(clip))


@contextmanager
def _on_disk(item: Item, web: Web, max_bytes: int, watch: Watch) -> Iterator[Path]:
    """A clip as a file of this machine, with the bytes that the item is named after. Errors: BadImage."""
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(prefix="clip-") as copy:
        is_here = item.source.startswith("/")
        with watch.on("read_s"):
            for piece in [read_bytes(item.source, web)] if is_web(item.source) else pieces(item.source):
                digest.update(piece)
                watch.has_read(len(piece))
                if not is_here:
                    copy.write(piece)
            _refuse_other(digest.hexdigest(), item)
            copy.flush()
        yield Path(item.source if is_here else copy.name)


def _refuse_other(found: str, item: Item) -> None:
    if found != item.key:
        raise BadImage("changed", "the file changed while the run was going on", retryable=True)


def in_words(error: BaseException) -> str:
    return secrets.redact(f"{type(error).__name__}: {error}")[:500]  # before a cut that might leave half of one
