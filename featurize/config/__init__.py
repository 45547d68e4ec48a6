"""Settings: defaults < TOML profile < `--set a.b=value`. Frozen; an unknown key is refused with the nearest one.

Invariant: what is declared here, a file per section, and in the backends is all there is; `chapters` makes the
reference of it.
"""

from featurize.config.intake import Input
from featurize.config.loading import as_json, load, profile_path
from featurize.config.models import SECTION_OF
from featurize.config.posttrain import Posttrain, Teacher
from featurize.config.prompts import MaxLost, Prompts
from featurize.config.recommend import Recommend
from featurize.config.reference import MUST, chapters
from featurize.config.running import Run
from featurize.config.settings import Settings

__all__ = [
    "MUST",
    "SECTION_OF",
    "Input",
    "MaxLost",
    "Posttrain",
    "Prompts",
    "Recommend",
    "Run",
    "Settings",
    "Teacher",
    "as_json",
    "chapters",
    "load",
    "profile_path",
]
