"""How a run is done, who is told of it, and what keeps a store in shape. Nothing here changes what a model says."""

from __future__ import annotations

import re
from datetime import date as DateOnly
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from featurize.config.values import ModelKey, Section, WebAddress
from featurize.images.decode import Limits


class Run(Section):
    """How the work is done; nothing here changes the numbers that come out."""

    executor: Literal["ray", "local"] = Field("ray", description="local: in this process, for a debugger or no Ray")
    shard_images: int = Field(512, ge=1, description="images of one unit of work and of one Parquet part")
    threads: int | None = Field(None, ge=1, description="decoding threads of a worker; default: its CPUs")
    decode_pixels: int = Field(
        Limits.max_pixels,
        ge=1,
        description="pixels a worker holds at once while it decodes, whatever its threads: about 1 GB; raise it for "
        "many threads and large pictures, lower it where memory is short",
    )
    stall_seconds: float = Field(300, gt=0, description="a worker without progress for so long is ended")
    wait_for_nodes: float = Field(
        0,
        ge=0,
        description="on a cluster whose nodes come when they are asked for, the seconds to wait for one: MODEL.workers"
        " workers are asked for, and work as they get a place",
    )
    metrics_file: str | None = Field(
        None,
        description="file for node-exporter's textfile collector, such as /var/lib/artwork/metrics/artwork.prom; on a"
        " Ray cluster metrics go to Ray, too",
    )
    max_attempts: int = Field(3, ge=1, description="how many runs try a picture that failed in a way that may pass")
    max_failed: float = Field(
        0.5, gt=0, le=1, description="share of pictures that may fail; the run stops where more fail, and at least 20"
    )
    when_held: Literal["fail", "skip"] = Field(
        "fail",
        description="where another run holds the lease: end with code 3, or with 0 and a note, for schedulers that try"
        " every failure again",
    )
    deadline: str | None = Field(
        None,
        description="no shard and no part of a night begins after it: a time of the day with its zone, such as 06:00"
        " Europe/Paris, or hours of it, such as 22:00 to 06:00 Europe/Paris, outside which nothing begins, or a"
        " duration from the start, such as 4h30m; what is left is for the next run",
    )
    log_json: bool = Field(
        False, description="the line that tells of each committed shard is JSON; on a terminal there is none without"
    )


def _date(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
        raise ValueError("a date is wanted, such as 2026-01-31")
    return value


class Nightly(Section):
    """What `make nightly` is for."""

    date: Annotated[DateOnly | None, BeforeValidator(_date)] = Field(
        None, description="the night to make choices for (DATE=), a day of UTC; default: today"
    )


class Notify(Section):
    """Who is told that a run began and how it ended. The addresses count as secrets; none can fail or hold up a run."""

    ping_url: WebAddress | None = Field(
        None, description="asked with /start when a run begins and /<exit code> when it ends, as healthchecks.io has it"
    )
    webhook_url: WebAddress | None = Field(None, description="sent the run's row of table run, as JSON, when it ends")


class Cost(Section):
    """What makes money of the time that runs tell of."""

    per_gpu_hour: float | None = Field(None, ge=0, description="price of an hour of one GPU, in any currency")


class Pin(Section):
    """Model keys of what is to be current, whatever covers most. A pin holds until another run says otherwise."""

    embed: ModelKey | None = Field(None, description="model key of the current embeddings; 'coverage' takes a pin back")
    tag: ModelKey | None = Field(None, description="model key of the current tags, or 'coverage'")
    describe: ModelKey | None = Field(None, description="model key of the current descriptions, or 'coverage'")
    text: ModelKey | None = Field(None, description="model key of the current vectors of texts, or 'coverage'")
    recipe: ModelKey | None = Field(None, description="recipe key of the current logged prompts, or 'coverage'")
    nightly_recipe: ModelKey | None = Field(
        None, description="recipe key of the current nightly prompts, or 'coverage'"
    )
    describe_clips: ModelKey | None = Field(None, description="model key of the current words on clips, or 'coverage'")
    transcribe: ModelKey | None = Field(None, description="model key of the current transcripts, or 'coverage'")
    describe_sound: ModelKey | None = Field(None, description="model key of the current words on sound, or 'coverage'")


class Upkeep(Section):
    """What `make compact` makes of many small parts, and how long `make vacuum` keeps what nobody can see."""

    part_mb: float = Field(
        128, gt=0, description="size of the parts that small ones become; memory is some ten times that"
    )
    keep_days: float = Field(
        7, ge=7, description="how long compacted parts stay for queries that found them before; at least 7"
    )
    warn_parts: int = Field(1000, ge=1, description="small parts of a table from which on runs tell you to compact")


class Report(Section):
    """What `make report` and `make atlas` make of a store."""

    html: str = Field("report.html", min_length=1, description="file of the page (HTML=)")
    artworks: int = Field(
        3000,
        ge=1,
        description="artworks the page shows at most, in whole titles; fewer where it would pass 20 MB or a minute",
    )
    atlas: str = Field("atlas.parquet", min_length=1, description="file of `make atlas`, which embedding-atlas reads")
