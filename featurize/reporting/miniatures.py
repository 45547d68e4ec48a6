"""Pictures made small enough that thousands of them fit into one page.

Invariant: a thumbnail is of the very content that the rows are about, by its hash; what cannot be read or decoded, or
has changed since, has none and a reason. Bytes and seconds are bounded: once they are used up, nothing more is made.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from featurize.config import Settings
from featurize.errors import BadImage, RunFailed
from featurize.execution.room import Room
from featurize.images.decode import Limits, open_picture
from featurize.intake import waiting
from featurize.intake.files import Confines, read_bytes
from featurize.intake.web import Web

EDGES = ((600, 320), (1500, 224))
"""Up to so many pictures, so many pixels of the longer side."""
SMALLEST = 160
QUALITY = 62
THREADS = 4
MOST_BYTES = 10_500_000
"""Of all thumbnails; in base64 a third more."""
MOST_SECONDS = 35.0


@dataclass(frozen=True)
class Picture:
    """A file with the content `image_sha256`; width and height in pixels where they are known."""

    image_sha256: str
    uri: str
    width: int | None
    height: int | None


class Thumbnails:
    """All thumbnails of a page, each once. `place` is that of a content in `data`, which is `form` in base64."""

    def __init__(self, settings: Settings, pictures: int, form: Literal["WEBP", "JPEG"] = "WEBP") -> None:
        """`pictures` is how many there may be. Errors: RefusedInput for an `input.root` that is no folder."""
        self.form = form
        self.edge = next((edge for most, edge in EDGES if pictures <= most), SMALLEST)
        self.data: list[str] = []
        self.place: dict[str, int] = {}
        self.missing: dict[str, str] = {}
        """Why there is none, in words."""
        self._bytes = 0
        self._until = time.monotonic() + MOST_SECONDS
        self._limits = Limits(settings.limits.max_bytes, settings.limits.max_pixels)
        self._room = Room(settings.run.decode_pixels)
        self._confines = Confines.of(settings.input.root, settings.input.read_seconds)
        self._web = Web.of(settings.input, self._limits).shared(1, MOST_SECONDS)

    @property
    def spent(self) -> str:
        """What is used up, in words; empty while there is some left."""
        if self._bytes >= MOST_BYTES:
            return "the page is full"
        return f"its {MOST_SECONDS:.0f} seconds for thumbnails are over" if time.monotonic() > self._until else ""

    def add(self, pictures: Iterable[Picture]) -> None:
        """Make those that are not there yet."""
        wanted = {each.image_sha256: each for each in pictures}
        todo = [each for sha, each in wanted.items() if sha not in self.place and sha not in self.missing]
        threads = min(THREADS, os.cpu_count() or 1)
        made = {}
        try:
            for picture, answer in waiting.answers(self._make, todo, threads=threads, seconds=self._confines.seconds):
                made[picture.image_sha256] = answer or "the storage gives no answer"
        except RunFailed as error:  # the storage hangs: a page without its pictures is better than none
            self._until = 0.0
            self.missing |= dict.fromkeys(wanted.keys() - made.keys() - self.place.keys(), str(error))
        for each in todo:  # in the order they came, whichever was ready first
            answer = made.get(each.image_sha256)
            if isinstance(answer, bytes):
                self.place[each.image_sha256] = len(self.data)
                self.data.append(base64.b64encode(answer).decode())
                self._bytes += len(answer)
            elif answer is not None:
                self.missing[each.image_sha256] = answer

    def _make(self, picture: Picture) -> bytes | str:
        if self._confines.outside(picture.uri):
            return "it lies outside input.root"
        try:
            data = read_bytes(picture.uri, self._web)
            if hashlib.sha256(data).hexdigest() != picture.image_sha256:
                return "the file has changed since"
            opened = open_picture(data, self._limits, self._at_least(picture))
            with self._room.held(opened.weight):
                small = opened.rgb()
                small.thumbnail((self.edge, self.edge), Image.Resampling.LANCZOS, reducing_gap=2.0)
        except BadImage as error:
            return str(error)
        except Exception as error:  # of a decoder, whose libraries raise anything
            return f"{type(error).__name__}: {error}"
        written = io.BytesIO()
        small.save(written, self.form, quality=QUALITY, method=4)
        return written.getvalue()

    def _at_least(self, picture: Picture) -> tuple[int, int] | None:
        """The size that a decoder need not go below."""
        if not picture.width or not picture.height:
            return None
        scale = min(1.0, self.edge / max(picture.width, picture.height))
        return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
