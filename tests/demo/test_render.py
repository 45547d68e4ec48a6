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
from featurize.demo.lettering import title_mask
from featurize.demo.people import POSES, cast
from featurize.demo.props import PROPS
from featurize.demo.render import SETTINGS, render, render_with_parts
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


def changed(one: Scene, other: Scene) -> tuple[float, float, float, float]:
    """The box in which two pictures differ, as shares of their size."""
    first, second = render(one), render(other)
    left, top, right, bottom = ImageChops.difference(first, second).getbbox() or (0, 0, 0, 0)
    return left / first.width, top / first.height, right / first.width, bottom / first.height


def box_of(scene: Scene, kind: str, name: str) -> tuple[float, float, float, float]:
    (found,) = [part.box for part in render_with_parts(scene)[1] if (part.kind, part.name) == (kind, name)]
    return found


@pytest.mark.parametrize("shot", ["wide shot", "full shot", "still life"])
def test_a_prop_is_where_it_is_said_to_be(shot: str) -> None:
    scene = replace(scene_of(3), shot=shot, props=("cake",), people=() if shot == "still life" else ("man",))
    left, top, right, bottom = box_of(scene, "prop", "cake")
    x0, y0, x1, y1 = changed(scene, replace(scene, props=("crown",)))
    assert left - 0.01 < x0 < x1 < right + 0.01
    assert top - 0.01 < y0 < y1 < bottom + 0.01
    assert (x1 - x0) * (y1 - y0) > 0.5 * (right - left) * (bottom - top)


@pytest.mark.parametrize("shot", ["wide shot", "full shot", "medium shot", "close-up"])
def test_a_person_is_where_it_is_said_to_be(shot: str) -> None:
    scene = replace(scene_of(3), shot=shot, arrangement="alone", people=("woman",), mood="tender", props=())
    left, top, right, bottom = box_of(scene, "role", "woman")
    head = box_of(scene, "head", "woman")
    x0, y0, x1, y1 = changed(scene, replace(scene, people=("clown",)))
    assert x0 < left < right < x1 + 0.02
    assert abs((left + right) - (x0 + x1)) < 0.2 * (x1 - x0)
    assert abs(top - y0) < 0.3 * (bottom - top)
    assert left <= (head[0] + head[2]) / 2 <= right
    assert y0 <= (head[1] + head[3]) / 2 < (y0 + y1) / 2


def test_words_lie_apart_on_the_letters_of_their_line() -> None:
    for theme in THEMES:
        mask, marks = title_mask((400, 160), "THE NIGHT OF THE SILENT ANDROID", theme, "centre", Random(1), 3)
        words = [(name, box) for kind, name, box in marks if kind == "word"]
        assert [word for word, _ in words] == ["THE", "NIGHT", "OF", "THE", "SILENT", "ANDROID"]
        ink = np.asarray(mask) > 128
        for _, (left, top, right, bottom) in words:
            inside = ink[round(top) : round(bottom) + 1, max(0, round(left)) : round(right) + 1]
            assert inside.mean() > 0.15
        covered = np.zeros_like(ink)
        for _, (left, top, right, bottom) in words:
            assert not covered[int(top) + 2 : int(bottom) - 1, int(left) + 2 : int(right) - 1].any()
            covered[max(0, int(top) - 1) : int(bottom) + 2, max(0, int(left) - 1) : int(right) + 2] = True
        assert ink[covered].sum() > 0.98 * ink.sum()


def test_every_letter_lies_on_its_ink_in_the_order_of_its_word() -> None:
    for theme in THEMES:
        mask, marks = title_mask((400, 160), "THE NIGHT OF THE SILENT ANDROID", theme, "left", Random(1), 3)
        letters = [(name, box) for kind, name, box in marks if kind == "letter"]
        assert "".join(letter for letter, _ in letters) == "THENIGHTOFTHESILENTANDROID"
        ink = np.asarray(mask) > 128
        for kind, word, (left, top, right, _) in marks:
            if kind == "word":
                inside = [(x, box) for x, box in letters if left <= (box[0] + box[2]) / 2 <= right and box[1] == top]
                assert "".join(letter for letter, _ in inside) == word
                for _, (x0, y0, x1, y1) in inside:
                    assert ink[round(y0) : round(y1) + 1, max(0, round(x0)) : round(x1) + 1].mean() > 0.12


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
