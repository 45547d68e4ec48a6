"""The SQL in docs runs, and its answers have the columns that are shown there."""

import re
from pathlib import Path

import pytest

from featurize.storage import views

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
