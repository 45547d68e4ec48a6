"""The demo world: a rendered catalogue and simulated members, the only place where the truth is known.

`write_world(folder)` writes a whole one. For single pictures see `scenes.sample_scene`, `scenes.describe` and
`render.render`.
"""

from featurize.demo.world import write_world

__all__ = ["write_world"]
