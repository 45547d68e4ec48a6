"""Actors: invented, the same in every world of a seed, cast as the roles allow, and alike wherever they are drawn."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageChops

from featurize.demo.actors import POOL, Actor, actors
from featurize.demo.canvas import transparent
from featurize.demo.colours import Look
from featurize.demo.faces import head
from featurize.demo.people import cast
from featurize.demo.render import render
from featurize.demo.scenes import Scene, describe
from featurize.demo.titles import titles
from featurize.demo.vocabulary import PALETTES

CATALOGUE = list(titles(150, 0))
SCENES = [(title, artwork.scene) for title in CATALOGUE for artwork in title.artworks]


def test_no_two_actors_share_a_name_or_a_look() -> None:
    pool = actors(0)
    assert len({actor.name for actor in pool}) == len({actor.name.split()[1] for actor in pool}) == POOL
    assert all(actor.name.isascii() and len(actor.name.split()) == 2 for actor in pool)
    assert [actor.number for actor in pool] == list(range(POOL))
    assert len({(actor.sex, actor.face.skin, actor.face.hair) for actor in pool}) == POOL
    assert actors(1) != pool


def test_a_cast_is_half_women_and_leans_to_the_themes_of_its_title() -> None:
    fitting = 0
    for title in CATALOGUE:
        assert 4 <= len(title.cast) <= 5
        assert len(set(title.cast)) == len(title.cast)
        assert 2 <= sum(actor.sex == "woman" for actor in title.cast) <= 3
        fitting += sum(bool(set(actor.themes) & set(title.themes)) for actor in title.cast)
    assert fitting > 0.6 * sum(len(title.cast) for title in CATALOGUE)
    assert {actor for title in CATALOGUE for actor in title.cast} == set(actors(0))


def test_people_are_drawn_from_the_cast_and_age_and_sex_stay_true() -> None:
    for title, scene in SCENES:
        assert len(scene.actors) == scene.people_count
        played = [actor for actor in scene.actors if actor]
        assert set(played) <= set(title.cast)
        assert len(set(played)) == len(played)
        for role, actor in zip(scene.people, scene.actors, strict=True):
            assert actor is None or role not in ("child", "clown", "hooded figure")
            assert actor is None or role == "astronaut" or actor.sex == ("woman" if role == "woman" else "man")
    # Whoever is left out, is so for want of an actor.
    short = [(t, s) for t, s in SCENES if {"woman"} == set(s.people) and None in s.actors]
    assert all(len(s.people) > sum(actor.sex == "woman" for actor in t.cast) for t, s in short)


def test_depicted_is_who_can_be_recognised() -> None:
    for title, scene in SCENES:
        names = scene.depicts
        assert set(names) <= {actor.name for actor in title.cast}
        assert len(names) <= scene.people_count
        assert not names or scene.shot != "wide shot"
        assert not names or scene.shot != "full shot" or set(scene.people) - {"astronaut", "knight"}
    assert 0.45 < np.mean([bool(scene.depicts) for _, scene in SCENES]) < 0.7
    # Artworks of a title differ in who is on them, or there would be nothing to choose.
    several = [title for title in CATALOGUE if len({artwork.scene.depicts for artwork in title.artworks}) > 1]
    assert len(several) > 0.8 * len(CATALOGUE)


def test_the_cast_changes_nothing_that_is_described() -> None:
    for _, scene in SCENES:
        assert describe(scene) == describe(replace(scene, actors=()))


def face_of(actor: Actor, dice: int, mood: str = "calm", role: str | None = None) -> Image.Image:
    role = role or actor.sex
    look = Look(PALETTES[mood][0], mood)
    layer, pen = transparent(96, 96)
    head(pen.at(500, 500, 3), cast(role, 0, "stand", look, Random(dice), actor))
    return layer.reduce(4).convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.asarray(ImageChops.difference(one, other), dtype=float).mean())


@pytest.mark.parametrize("mood", ["calm", "menacing"])
def test_an_actor_looks_alike_wherever_drawn_and_unlike_all_others(mood: str) -> None:
    pool = actors(0)
    for sex in ("woman", "man"):
        faces = {actor: face_of(actor, 1, mood) for actor in pool if actor.sex == sex}
        for actor, face in faces.items():
            assert difference(face, face_of(actor, 2, mood)) == 0
            others = [difference(face, other) for who, other in faces.items() if who is not actor]
            assert min(others) > 1


def test_other_actors_give_another_picture() -> None:
    scene: Scene = next(s for _, s in SCENES if s.shot == "close-up" and s.depicts)
    (first, *_) = (actor for actor in scene.actors if actor)
    double = next(actor for actor in actors(0) if actor.sex == first.sex and actor not in scene.actors)
    other = replace(scene, actors=tuple(double if actor is first else actor for actor in scene.actors))
    assert difference(render(scene, 200), render(other, 200)) > 0.5
