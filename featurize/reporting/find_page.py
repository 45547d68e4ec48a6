"""The answer of a search as one HTML file that needs nothing but a browser: no script, no outside asset.

Texts are a stranger's (captions, words read off pictures, file names): the template escapes all, and the page's policy
forbids everything but its own style and pictures.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.report import shown
from featurize.reporting.find import Answer, Artwork
from featurize.reporting.miniatures import Picture, Thumbnails
from featurize.storage.store import address, has_scheme, is_text


def place(html: str) -> Path:
    """Where a page is to go. Errors: RefusedInput for what is no file in a folder that is there."""
    if not is_text(html) or "\0" in html or (has_scheme(html) and not html.lower().startswith("file:/")):
        raise RefusedInput(f"HTML={html!r}: a file of this machine is wanted")
    path = Path(address(html))
    if path.is_dir():
        raise RefusedInput(f"HTML={html} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise RefusedInput(f"HTML={html}: there is no folder {path.parent}")
    return path


def write(path: Path, answer: Answer, settings: Settings) -> None:
    """The page appears whole, in the place of an earlier one. Errors: RefusedInput where it cannot be written."""
    text = page(answer, settings)
    hidden = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        hidden.write_text(text, encoding="utf-8")
        hidden.replace(path)
    except OSError as error:
        raise RefusedInput(f"{path} cannot be written: {error.strerror}") from error
    finally:
        hidden.unlink(missing_ok=True)


def page(answer: Answer, settings: Settings) -> str:
    """The HTML. A picture that cannot be read says why in its place."""
    thumbnails = Thumbnails(settings, len(answer.found))
    asked = [Picture(answer.picture[1], answer.picture[0], None, None)] if answer.picture else []
    thumbnails.add([*(_picture(each.artwork) for each in answer.found), *asked])

    def shown_as(sha: str) -> dict[str, str]:
        if sha in thumbnails.place:
            return {"data": thumbnails.data[thumbnails.place[sha]]}
        return {"note": thumbnails.missing[sha]}

    cards: list[dict[str, Any]] = [
        {
            "rank": number,
            "cosine": each.words if each.cosine is None else each.cosine,
            "words": None if each.cosine is None else each.words,
            "artwork": each.artwork,
            "place": shown(each.artwork.uri),
            "thumbnail": shown_as(each.artwork.image_sha256),
            "same": answer.picture is not None and answer.picture[1] == each.artwork.image_sha256,
        }
        for number, each in enumerate(answer.found, 1)
    ]
    environment = Environment(
        loader=PackageLoader("featurize.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("find.html").render(
        answer=answer,
        asked=shown(answer.asked) if answer.kind == "file" else answer.asked,
        thumbnail=shown_as(answer.picture[1]) if answer.picture else None,
        cards=cards,
        store=shown(settings.store),
        now=datetime.now(UTC),
    )


def _picture(artwork: Artwork) -> Picture:
    return Picture(artwork.image_sha256, artwork.uri, artwork.width, artwork.height)
