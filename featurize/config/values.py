"""What a setting may be where a type of Python does not say it: a zone, a host, a moment, a model key, an address."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


def _time_zone(name: str) -> str:
    try:
        return name if name == "UTC" else ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone '{name}'; there are UTC, Europe/Paris, ...") from error


TimeZone = Annotated[str, AfterValidator(_time_zone)]


def _web_host(name: str) -> str:
    """In the one spelling. Errors: ValueError."""
    try:
        url = httpx.URL(f"https://{name}")
    except httpx.InvalidURL as error:
        raise ValueError(f"'{name}' is no host ({error})") from error
    if not re.fullmatch(r"[\w.-]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?", name):
        raise ValueError("a host is wanted, such as cdn.example.com, with its port where that is not 443")
    return url.netloc.decode("ascii")


WebHost = Annotated[str, AfterValidator(_web_host)]


def _no_twins(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("one is named twice")
    return names


OnlyOnce = AfterValidator(_no_twins)
"""Of names: no name twice."""


def _model_key(value: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", value):
        raise ValueError("a model key is wanted, as in table model, and no path")
    return value


ModelKey = Annotated[str, AfterValidator(_model_key)]


def _no_number(value: Any) -> Any:
    # Read as seconds since 1970, 20260131 would be a day in August 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and value.lstrip("+-").isdecimal()):
        raise ValueError("a time with a zone is wanted, such as 2026-01-31T12:00:00Z, and no number")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC this is not in the years 1 to 9999") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]
"""A time with a zone, kept in UTC."""


def _web_address(value: str) -> str:
    if not re.match(r"https?://[^/\s]+", value):
        raise ValueError("an address that begins with https:// or http:// is wanted")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
