"""What the jobs read, and what a file of it may be, at most."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from featurize.config.values import OnlyOnce, Section, TimeZone, WebHost
from featurize.images.decode import Limits
from featurize.media.decode import Limits as ClipLimits


class Input(Section):
    """What the jobs read."""

    artwork: str | None = Field(None, description="folder or manifest; default: the demo catalogue")
    titles: str | None = Field(None, description="table of titles, checked against the artwork's title ids")
    history: str | None = Field(None, description="what members did: a file, folder or pattern of CSV, JSON or Parquet")
    impressions: str | None = Field(
        None,
        description="what members were shown, in the same forms; nightly: what pairs do not say of their members",
    )
    pairs: str | None = Field(None, description="members and titles to rank tonight, in the same forms")
    time_zone: TimeZone | None = Field(
        None, description="zone of times that do not say theirs, such as UTC; without it they are refused"
    )
    demo: Literal["small", "paper", "clips"] = Field(
        "small", description="the demo world to use where no files are given; clips: with the profile of that name"
    )
    verify: bool = Field(False, description="read and hash every file again, changed or not")
    root: str | None = Field(
        None, description="files outside this folder, links followed, are not read; for manifests from elsewhere"
    )
    read_seconds: float = Field(
        60, gt=0, description="a file that is not read by then is quarantined as timeout; more for a slow network"
    )
    hosts: Annotated[tuple[WebHost, ...], OnlyOnce] = Field(
        (), description="hosts, such as cdn.example.com, whose https:// addresses a manifest may hold; none by default"
    )
    host_connections: int = Field(
        8, ge=1, le=64, description="requests that are under way at one of input.hosts at once, from the whole run"
    )
    ask_every_days: int = Field(
        1,
        ge=1,
        le=366,
        description="a known picture on input.hosts is asked for on one day in so many, each on its own, whether it has"
        " changed; on the others it counts as unchanged",
    )
    loopback: bool = Field(False, description="for tests: one of input.hosts may be this machine")
    max_removed: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of the source's artworks that may be gone from it at once; it is refused where more are"
        " gone, and at least 20",
    )


class LimitSettings(Section):
    """What a picture may be, at most."""

    max_bytes: int = Field(Limits.max_bytes, ge=1, description="bytes of a file")
    max_pixels: int = Field(Limits.max_pixels, ge=1, description="pixels of a picture, by its header, before decoding")


class Clips(Section):
    """Videos and sound of the catalogue: what decodes them, and what a clip may be, at most."""

    ffmpeg: str = Field("ffmpeg", min_length=1, description="command that decodes clips, by name or path")
    ffprobe: str = Field("ffprobe", min_length=1, description="command that looks into them; comes with ffmpeg")
    max_bytes: int = Field(
        ClipLimits.max_bytes, ge=1, description="bytes of a file whose name ends as those of clips do, such as .mp4"
    )
    max_seconds: float = Field(ClipLimits.max_seconds, gt=0, description="length of a clip; longer ones are too_long")
    max_pixels: int = Field(ClipLimits.max_pixels, ge=1, description="pixels of one frame, before it is reduced")
    decode_seconds: float = Field(
        ClipLimits.decode_seconds,
        gt=0,
        description="time that decoding one clip may take, after which it is killed",
    )
