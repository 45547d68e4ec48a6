"""Another order of the candidates is what the prompts job itself would have rendered in that order, word for word."""

import pytest

from featurize.errors import RefusedInput
from featurize.inference import orders
from featurize.inference.letters import LETTERS
from tests.prompting import worlds

TEMPLATES = (
    pytest.param("multiple-choice-v1", marks=pytest.mark.slow),
    pytest.param("multiple-choice-v2", marks=pytest.mark.slow),
    pytest.param("multiple-choice-short-v1", marks=pytest.mark.slow),
    "multiple-choice-short-v2",
)


@pytest.fixture(scope="module")
def world():
    """Names and captions that look like candidates, letters and marks, and all else that is odd."""
    made = worlds.circumstances(worlds.odd(5, members=6, titles=8, impressions=600, events=200), 5)
    hostile = ["A. one\nB. two", "\ue000\ue001A. x", "- B was shown 3 times", "C shown 2 h ago", 'say "A. B. C."']
    for number, row in enumerate(made.title):
        row["name"] = hostile[number % len(hostile)]
    for number, row in enumerate(made.description):
        row["caption"] = f"{hostile[number % len(hostile)]} {number}"
    for number, row in enumerate(made.impression):  # which of two shown at one moment comes first hangs on the letters
        row["at"] = row["at"] and row["at"].replace(microsecond=number)
        row["propensities"] = None
    return made


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_order_reads_as_if_it_had_been_drawn(world, name, tmp_path):
    drawn = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        world.write(folder)
        given = {"prompts__template": name, "prompts__seed": seed, **worlds.ANY_LOSS}
        assert worlds.run(folder, **given) == 0
        drawn.append({row["impression_id"]: row for row in worlds.rows(folder)})
    moved = spoken = 0
    for impression, one in drawn[0].items():
        other = drawn[1][impression]
        order = [one["artwork_ids"].index(artwork) for artwork in other["artwork_ids"]]
        assert orders.reordered(one["messages"], order, one["slots"]) == other["messages"]
        assert orders.reordered(one["messages"], sorted(order), one["slots"]) == one["messages"]
        assert orders.answer(one["answer"], order) == other["answer"]
        moved += order != sorted(order)
        spoken += len(one["slots"]["letters"]) > len(order)
    assert moved > 20
    assert name == "multiple-choice-v1" or spoken > 5  # it does not say what was shown earlier


def test_a_template_may_put_letters_anywhere(tmp_path):
    """At the end of a line, twice in it, over two lines, and the question before the candidates."""
    from featurize.prompting import template

    text = (template._FOLDER / "multiple-choice-short-v1.toml").read_text()
    text = text.replace('line = "{letter}. {description}"', 'line = "{description}\\n = {letter}, that is {letter}"')
    text = text.replace("{candidates}{earlier}", "{earlier}\\n{candidates}\\nWhich?")
    (tmp_path / "own.toml").write_text(text)
    worlds.plain(impressions=8).write(tmp_path)
    assert worlds.run(tmp_path, prompts__template=tmp_path / "own.toml") == 0
    for row in worlds.rows(tmp_path):
        (found,) = [each["content"] for each in orders.reordered(row["messages"], [2, 0, 1], row["slots"])[1:]]
        lines = found.splitlines()
        letters = [line[len(" = ") :] for line in lines if line.startswith(" = ")]
        assert letters == ["A, that is A", "B, that is B", "C, that is C"]
        captions = [line for line in row["messages"][1]["content"].splitlines() if "A picture" in line]
        assert [line for line in lines if "A picture" in line] == [captions[2], captions[0], captions[1]]
        assert lines[-1] == "Which?"


def test_a_template_that_uses_the_marks_itself_is_refused(tmp_path, capsys):
    from featurize.prompting import template

    text = (template._FOLDER / "multiple-choice-short-v1.toml").read_text()
    (tmp_path / "own.toml").write_text(text.replace('between = "; "', 'between = "\\uE001"', 1))
    worlds.plain(impressions=2).write(tmp_path)
    assert worlds.run(tmp_path, prompts__template=tmp_path / "own.toml") == 2
    assert "the characters U+E000 and U+E001 are not for use" in capsys.readouterr().err


def test_prompts_of_older_versions_keep_their_order():
    with pytest.raises(RefusedInput, match="an older version made them"):
        orders.reordered([{"role": "user", "content": "A. x\nB. y"}], [1, 0], None)


def test_orders_follow_from_their_seed_and_give_each_candidate_each_letter():
    assert orders.shuffled(9, 0, 1, "p") == orders.shuffled(9, 0, 1, "p") != orders.shuffled(9, 0, 2, "p")
    assert sorted(orders.shuffled(52, 3)) == list(range(52))
    assert orders.rotated(5, 1) == [[0, 1, 2, 3, 4]]
    for count in (2, 5, 8):
        turned = orders.rotated(count, 99)
        assert len(turned) == count
        assert all({order[place] for order in turned} == set(range(count)) for place in range(count))
    assert len(orders.rotated(8, 3)) == 3
    assert LETTERS[:3] == "ABC"
