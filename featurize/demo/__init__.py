"""The demo world: a rendered catalogue and simulated members, the only place where the truth is known.

`write_world(folder)` writes a whole one, `write(folder, name)` the one of that name: `small`, `paper`, or `clips`. For
single pictures see `scenes.sample_scene`, `scenes.describe` and `render.render`.
"""

from pathlib import Path
from typing import Literal

from featurize.demo.world import write_world

__all__ = ["write", "write_world"]


def write(folder: Path, name: Literal["small", "paper", "clips"], ffmpeg: str = "ffmpeg") -> None:
    """Make `folder` hold the world of that name. Errors: RefusedInput and RunFailed, as `clips.write_clips`."""
    if name != "clips":
        write_world(folder, name)
        return
    from featurize.demo.clips import write_clips

    write_clips(folder, ffmpeg)
