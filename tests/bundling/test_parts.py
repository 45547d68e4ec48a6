"""Each visual token is told what its cell of the picture shows."""

import numpy as np
import pytest

from featurize.bundling.parts import MARKS, PARTS, cell_targets, mark_targets
from featurize.bundling.scenes import HELD_OUT, scene
from featurize.demo.render import Part, render_with_parts


def found(parts: list[Part], rows: int, columns: int) -> list[tuple[int, int, str, str]]:
    targets = cell_targets(parts, rows, columns).reshape(rows, columns, len(PARTS))
    return [(int(y), int(x), *PARTS[at]) for y, x, at in np.argwhere(targets)]


def test_a_part_is_in_the_cells_it_covers() -> None:
    assert found([Part("prop", "dog", (0.5, 0.0, 1.0, 0.4))], 2, 2) == [(0, 1, "prop", "dog")]
    assert found([Part("prop", "dog", (0.0, 0.0, 1.0, 0.6))], 2, 1) == [(0, 0, "prop", "dog")]
    assert found([Part("prop", "dog", (0.0, 0.0, 1.0, 0.8))], 2, 1) == [(y, 0, "prop", "dog") for y in (0, 1)]


def test_a_part_smaller_than_a_cell_is_in_the_cells_that_hold_much_of_it() -> None:
    assert found([Part("role", "man", (0.1, 0.1, 0.2, 0.2))], 2, 2) == [(0, 0, "role", "man")]
    astride = Part("role", "man", (0.45, 0.1, 0.55, 0.2))
    assert found([astride], 2, 2) == [(0, 0, "role", "man"), (0, 1, "role", "man")]


@pytest.mark.parametrize("heads", range(5))
def test_heads_are_counted_up_to_three(heads: int) -> None:
    parts = [Part("head", "man", (0.1, 0.1, 0.3, 0.3))] * heads
    assert found(parts, 2, 2) == [(0, 0, "heads", str(n)) for n in (1, 2, 3) if n <= heads]


def test_what_lies_outside_is_in_no_cell() -> None:
    outside = [Part("head", "man", (-0.3, 0.1, -0.1, 0.2)), Part("word", "NIGHT", (1.01, 0.0, 1.2, 0.1))]
    assert found(outside, 3, 3) == []


def test_a_mark_is_in_the_cell_of_its_middle() -> None:
    boxes = {"N": (0.1, 0.1, 0.3, 0.4), "O": (0.3, 0.1, 0.8, 0.4), "W": (0.9, 0.6, 1.2, 0.9)}
    parts = [Part("letter", name, box) for name, box in boxes.items()]
    parts += [Part("head", "clown", (0.6, 0.6, 0.8, 0.8)), Part("facing", "left", (0.1, 0.6, 0.3, 0.8))]
    targets = mark_targets([*parts, Part("word", "NOW", (0.1, 0.1, 1.0, 0.9))], 2, 2)
    expected = [(0, "letter", "N"), (1, "letter", "O"), (2, "facing", "left"), (3, "head", "clown")]
    assert [(int(cell), *MARKS[at]) for cell, at in np.argwhere(targets)] == expected


def test_every_cast_and_title_is_there_to_be_found() -> None:
    for index in range(40):
        each = scene(HELD_OUT, index)
        _, parts = render_with_parts(each, 96)
        seen = {(kind, name) for _, _, kind, name in found(parts, 8, 8)}
        words = {("word", word) for word in (each.title_text or "").split() if word != "THE"}
        expected = {*(("prop", prop) for prop in each.props), *(("role", role) for role in each.people), *words}
        assert {part for part in seen if part[0] in ("prop", "role", "word")} == expected
        assert sum(part.kind == "head" for part in parts) == each.people_count
        marks = {MARKS[at] for _, at in np.argwhere(mark_targets(parts, 24, 24))}
        assert {name for kind, name in marks if kind == "letter"} == set((each.title_text or "").replace(" ", ""))
        assert {name for kind, name in marks if kind == "head"} == set(each.people)
        assert (("heads", "1") in seen) == (each.people_count > 0)
