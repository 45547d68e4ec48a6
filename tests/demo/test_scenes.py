"""Scenes: what is drawn by lot stays within what a picture can show, and the description says just that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featurize.demo.scenes import Scene, describe, sample_scene
from featurize.demo.vocabulary import (
    AIRLESS_MOODS,
    ARRANGEMENTS,
    NO_WEATHER,
    PALETTES,
    ROLES,
    SETTINGS,
    SHOTS,
    THEMES,
    theme_of,
)


def scenes(count: int, seed: int = 0) -> list[Scene]:
    rng = np.random.Generator(np.random.PCG64(seed))
    return [sample_scene(rng) for _ in range(count)]


def test_one_stream_gives_one_sequence_of_scenes() -> None:
    assert scenes(50) == scenes(50)
    assert scenes(50) != scenes(50, seed=1)


def test_sampled_scenes_can_be_seen() -> None:
    for scene in scenes(2000):
        assert {theme_of(prop) for prop in scene.props} == {scene.theme}
        assert scene.palette in PALETTES[scene.mood]
        assert scene.setting not in NO_WEATHER or scene.mood in AIRLESS_MOODS
        assert (scene.people_count == 0) == (scene.arrangement == "no people")
        assert scene.shot != "close-up" or scene.people_count in (1, 2)
        assert scene.shot != "still life" or (scene.people_count == 0 and len(scene.props) == 1)


def test_every_word_turns_up() -> None:
    many = scenes(5000)
    assert {scene.theme for scene in many} == set(THEMES)
    assert {scene.setting for scene in many} == set(SETTINGS)
    assert {scene.mood for scene in many} == set(PALETTES)
    assert {prop for scene in many for prop in scene.props} == {
        prop for theme in THEMES.values() for prop in theme.props
    }
    assert {scene.people_count for scene in many} == set(range(6))
    assert {scene.arrangement for scene in many} == set(ARRANGEMENTS)
    assert {scene.shot for scene in many} == set(SHOTS)
    assert {role for scene in many for role in scene.people} == set(ROLES)
    assert {scene.kind for scene in many} == {"poster", "key art", "square"}
    assert 0.2 < np.mean([scene.title_text is None for scene in many]) < 0.3


def test_given_theme_and_title_are_kept() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = [sample_scene(rng, theme="western", title_text="The Dust", kind="square") for _ in range(40)]
    assert {(scene.theme, scene.kind) for scene in drawn} == {("western", "square")}
    assert {scene.title_text for scene in drawn} == {"THE DUST", None}


@pytest.fixture
def scene() -> Scene:
    return replace(
        scenes(1)[0],
        theme="western",
        mood="epic",
        setting="desert",
        people=("cowboy", "cowboy", "woman"),
        arrangement="in a line",
        shot="wide shot",
        props=("horse", "cactus"),
        palette=("brown", "gold"),
        title_text="THE DUST",
    )


def test_description_says_what_the_scene_shows(scene: Scene) -> None:
    assert describe(scene) == {
        "subjects": ["cowboy", "woman", "horse", "cactus"],
        "people_count": 3,
        "mood": "epic",
        "setting": "desert",
        "composition": "wide shot, in a line",
        "text_on_artwork": "THE DUST",
        "palette": ["brown", "gold"],
        "theme": "western",
        "caption": "An epic western wide shot of two cowboys and one woman in a line in the desert, "
        "with a horse and a cactus.",
    }


def test_caption_without_people_or_title(scene: Scene) -> None:
    empty = replace(
        scene, people=(), arrangement="no people", shot="still life", props=("cowboy hat",), title_text=None
    )
    told = describe(empty)
    assert told["caption"] == "An epic western still life of a cowboy hat in the desert."
    assert told["text_on_artwork"] is None
    assert told["people_count"] == 0
