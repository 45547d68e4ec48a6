"""The report as one HTML file: everything it shows is in it, and nothing is asked of any other machine.

Invariant: text is escaped by Jinja, or stands in JSON that a script puts on the page as text; and the page's own policy
(a hash of its one script, pictures of itself alone) would keep a browser from obeying a stranger's words all the same.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from featurize.storage import secrets

COLOURS = 10
"""Of lines, bars and points, in the style sheet."""
_THUMBNAILS = "<!--thumbnails-->"


def page(content: Mapping[str, Any], thumbnails: list[str]) -> str:
    """HTML of what the steps of the job read. `thumbnails` are pictures in base64; the script puts them in place."""
    script = _text("report.js")
    environment = Environment(
        loader=PackageLoader("featurize.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {
        "style": _text("report.css"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "colours": COLOURS,
    }
    made = environment.get_template("report.html").render(content)
    # Before the thumbnails: in so much base64 a short secret would be found by chance.
    head, _, tail = secrets.hide_known(made).partition(_THUMBNAILS)
    return head + ",".join(f'"{each}"' for each in thumbnails) + tail


def _text(name: str) -> str:
    return resources.files("featurize.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def percent(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def signed(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f} %".replace("-", "−")


def duration(seconds: float | None) -> str:
    """In the two largest units: `2 h 5 min`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def size(value: float) -> str:
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"


def moment(value: datetime | None) -> str:
    return "–" if value is None else f"{value:%d %b %Y, %H:%M}".lstrip("0")


def rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def model(key: str | None) -> str:
    """A model key without most of its digest."""
    name, _, digest = (key or "").rpartition("-")
    return f"{name} {digest[:4]}" if name and len(digest) >= 8 else key or ""


FILTERS = {each.__name__: each for each in (percent, signed, duration, number, size, moment, rate, model)}
