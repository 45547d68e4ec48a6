"""The SQL in docs runs, and its answers have the columns that are shown there."""

import re
from pathlib import Path

import pytest

from featurize.storage import views
from featurize.storage.store import Store

from . import stores

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"```sql\n(?P<sql>.*?)```\n(?:\n\| (?P<columns>.*?) \|\n)?", re.S)
QUESTIONS = [
    pytest.param(found["sql"], found["columns"], id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, found in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), 1)
]


@pytest.mark.parametrize(("question", "columns"), QUESTIONS)
def test_a_question_of_the_docs_has_an_answer_of_these_columns(question, columns, store):
    with views.connect(store) as db:
        told = [name for name, *_ in db.execute(question).description]
    assert columns is None or told == columns.split(" | ")


def test_the_six_questions_are_found():
    assert sum(param.values[1] is not None for param in QUESTIONS) >= 6


def test_pictures_that_look_older_than_the_catalogue_says_are_found(tmp_path):
    made = Store(str(tmp_path / "store"))
    looks = {"a": ("violence", 0.9), "b": ("harmless", 0.9), "c": ("horror", 0.95), "d": ("nudity", 0.7)}
    age = {"a": 7, "b": 0, "c": 18, "d": 0}
    stores.commit(
        made, "artwork", [stores.artwork(f"t-{name}", "t", name, 1) | {"maturity": age[name]} for name in age]
    )
    rows = [
        {"image_sha256": name * 64, "model_key": "tags-1", "attribute": "maturity", "label": label, "score": 0.0}
        | {"probability": share if label == best else (1 - share) / 3}
        for name, (best, share) in looks.items()
        for label in ("harmless", "violence", "nudity", "horror")
    ]
    stores.commit(made, "image_tag", rows, "tags-1")
    question = next(each.values[0] for each in QUESTIONS if "maturity" in each.values[0])
    with views.connect(made) as db:
        found = db.execute(question).fetchall()
    assert [row[:4] for row in found] == [("t-a", 7, "violence", 0.97), ("t-d", 0, "nudity", 0.9)]
