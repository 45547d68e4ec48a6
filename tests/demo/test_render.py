"""Pictures: the same pixels everywhere, and every described attribute can be seen in them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from PIL import ImageChops

from featurize.demo.canvas import transparent
from featurize.demo.colours import Look
from featurize.demo.figures import figure
from featurize.demo.people import POSES, cast
from featurize.demo.props import PROPS
from featurize.demo.render import SETTINGS, render
from featurize.demo.scenes import Scene, sample_scene
from featurize.demo.vocabulary import MOODS, PALETTES, ROLES, THEMES
from featurize.demo.vocabulary import SETTINGS as SETTING_WORDS

DIGESTS = {
    0: "f236f9582f05c42f",  # medium shot forest mysterious 1 THE PROPHECY
    1: "d0747157619960c8",  # full shot spaceship menacing 5 THE SILENT ANDROID
    2: "63aad86a0aba5b2b",  # medium shot castle epic 1 THE WINTER QUEST
    3: "faa454eb7dc4d8d9",  # close-up castle epic 1 LONELY SWORD
    4: "628a187f1f3c1f3f",  # wide shot snowfield melancholy 2 THE FRONTIER AND THE SADDLE
    5: "1874ddd003ac6c4c",  # full shot snowfield joyful 4 THE FIRST ADVENTURE
    6: "eee81f09e457a37b",  # wide shot spaceship mysterious 1 PAPER HORIZON
    7: "e40f8938c0a54372",  # full shot living room tense 3 BROKEN KEY
}


def scene_of(seed: int) -> Scene:
    return sample_scene(np.random.Generator(np.random.PCG64(seed)))


@pytest.mark.parametrize("seed", DIGESTS)
def test_pixels_are_the_same_on_every_machine(seed: int) -> None:
    image = render(scene_of(seed))
    assert hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()[:16] == DIGESTS[seed]


def test_rendering_leaves_no_trace_on_the_next_picture() -> None:
    first = render(scene_of(1), 160)
    for seed in range(2, 8):
        render(scene_of(seed), 160)
    assert render(scene_of(1), 160).tobytes() == first.tobytes()


@pytest.mark.parametrize("seed", range(6))
def test_size_is_as_asked(seed: int) -> None:
    scene = scene_of(seed)
    assert render(scene).size == (scene.width, scene.height)
    small = render(scene, 128)
    assert max(small.size) == 128
    assert abs(small.width / small.height - scene.width / scene.height) < 0.02


@pytest.mark.parametrize("mood", MOODS)
def test_every_setting_can_be_painted_and_told_apart(mood: str) -> None:
    assert set(SETTINGS) == set(SETTING_WORDS)
    scene = replace(
        scene_of(5), mood=mood, palette=PALETTES[mood][0], people=(), arrangement="no people", shot="wide shot"
    )
    pictures = [np.asarray(render(replace(scene, setting=setting), 96), dtype=int) for setting in SETTING_WORDS]
    for at, picture in enumerate(pictures):
        for other in pictures[:at]:
            assert np.abs(picture - other).mean() > 4


def test_changing_what_is_described_changes_the_picture() -> None:
    scene = replace(
        scene_of(9),
        theme="drama",
        mood="calm",
        setting="beach",
        people=("woman", "man"),
        arrangement="side by side",
        shot="full shot",
        props=("letter",),
        palette=("teal", "white"),
        title_text="THE RIVER",
        framed=False,
    )
    plain = np.asarray(render(scene, 200), dtype=int)
    changes: list[dict[str, object]] = [
        {"mood": "melancholy"},
        {"setting": "city"},
        {"people": ("woman", "man", "man"), "arrangement": "in a line"},
        {"people": ("woman", "woman")},
        {"arrangement": "facing each other"},
        {"shot": "medium shot"},
        {"props": ("umbrella",)},
        {"palette": ("pink", "white")},
        {"title_text": "THE HOUSE"},
        {"title_text": None},
    ]
    for change in changes:
        other = np.asarray(render(replace(scene, **change), 200), dtype=int)  # type: ignore[arg-type]
        changed = (np.abs(plain - other).max(axis=2) > 40).mean()
        assert changed > 0.002, change


@pytest.mark.parametrize("name", PROPS)
def test_prop_fills_its_box(name: str) -> None:
    layer, pen = transparent(400, 400)
    PROPS[name].draw(pen.at(500, 500, 3), Look(("blue", "gold"), "calm"))
    found = layer.getbbox()
    assert found is not None
    measured = [(edge - 400) / (0.8 * 3) for edge in found]
    assert max(abs(a - b) for a, b in zip(measured, PROPS[name].box, strict=True)) < 2.5


def test_props_are_those_of_the_themes() -> None:
    assert set(PROPS) == {prop for theme in THEMES.values() for prop in theme.props}


@pytest.mark.parametrize("role", ROLES)
def test_facing_left_is_the_mirror_image_of_facing_right(role: str) -> None:
    """Also draws every role in every pose of every mood."""
    for mood in MOODS:
        look = Look(PALETTES[mood][0], mood)
        for pose in (*POSES[mood], "reach", "hug", "crossed"):
            sides = []
            for facing in (1, -1):
                layer, pen = transparent(128, 192)
                figure(pen.at(500, 1400, 1.2), cast(role, facing, pose, look, Random(3)))
                sides.append(layer)
            assert sides[0].getbbox() is not None
            mirrored = sides[1].transpose(0)
            mask = ImageChops.difference(sides[0].getchannel("A"), mirrored.getchannel("A"))
            assert np.asarray(mask).astype(bool).mean() < 0.02
