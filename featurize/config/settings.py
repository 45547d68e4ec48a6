"""All settings of a run, by section."""

from __future__ import annotations

from pydantic import Field

from featurize.config.intake import Clips, Input, LimitSettings
from featurize.config.models import Model
from featurize.config.posttrain import Posttrain
from featurize.config.prompts import Prompts
from featurize.config.rank import Evaluate, Rank
from featurize.config.recommend import Recommend
from featurize.config.running import Cost, Nightly, Notify, Pin, Report, Run, Upkeep
from featurize.config.values import Section


class Settings(Section):
    """All settings of a run. A model section is checked by the Settings of the backend it names."""

    input: Input = Input()
    store: str = Field("store", description="folder or s3:// address")
    limits: LimitSettings = LimitSettings()
    clips: Clips = Clips()
    run: Run = Run()
    embed: Model = Field(None, description="model of the vectors and tags: a section, or null for none")
    labels: str = Field(
        "artwork-v1", description="label file of the tags: a name of featurize/featurizing/labels or a path"
    )
    near_duplicate: float | None = Field(
        0.95,
        ge=0.5,
        le=1,
        description="cosine of two pictures' vectors from which on they are near-duplicates: lower for a model that"
        " tells pictures apart sharply, higher where too many look alike; another value compares all again; null: none",
    )
    describe: Model = Field(None, description="model of the descriptions: a section, or null for none")
    describe_clips: Model = Field(
        None, description="model that describes the frames of videos: a section, or null for none"
    )
    transcribe: Model = Field(None, description="model of what is said in clips: a section, or null for none")
    describe_sound: Model = Field(None, description="model that describes their sound: a section, or null for none")
    text: Model = Field(
        None, description="model of the vectors of descriptions, names and synopses: a section, or null for none"
    )
    prompts: Prompts = Prompts()
    posttrain: Posttrain = Posttrain()
    rank: Rank = Rank()
    evaluate: Evaluate = Evaluate()
    upkeep: Upkeep = Upkeep()
    recommend: Recommend = Recommend()
    report: Report = Report()
    nightly: Nightly = Nightly()
    notify: Notify = Notify()
    cost: Cost = Cost()
    pin: Pin = Pin()
