"""Reasons of a file and of a teacher: what names another letter is never learnt from."""

import json

import duckdb
import pytest

from featurize.errors import RefusedInput
from featurize.posttraining import rationale
from tests import stand_in_endpoint
from tests.posttraining import planted
from tests.posttraining.test_job import base, here, run  # noqa: F401

SMALL = ("posttrain.method=sft_reasoning", "posttrain.epochs=1", "posttrain.readings=1")


@pytest.mark.parametrize(
    ("text", "letter", "reasons"),
    [
        ("They like horror.\nAnswer: B", "B", "They like horror."),
        ("They like horror.\n**Answer: B**", "B", "They like horror."),
        ("The answer is (C), as they like horror.", "C", "The answer is (C), as they like horror."),
        ("So D is the right choice.", "D", "So D is the right choice."),
        ("C is the best artwork for them.", "C", "C is the best artwork for them."),
        ("C is the dark one, with the ghost.", None, "C is the dark one, with the ghost."),
        ("Not A. My answer is option B.", "B", "Not A. My answer is option B."),
        ("Answer: A\nOn reflection, answer: C", "C", "Answer: A\nOn reflection, answer: C"),
        ("The answer is a horror picture, unlike A and B.", None, "The answer is a horror picture, unlike A and B."),
        ("A. shows a horse, B. a ghost.", None, "A. shows a horse, B. a ghost."),
        ("", None, ""),
        ("Answer: B", "B", ""),
    ],
)
def test_the_letter_that_a_text_names_as_its_answer(text, letter, reasons):
    assert rationale.named(text) == letter
    assert rationale.reasons(text) == reasons


def plays():
    return [row | {"reward": 1.0} for row in planted.some(40)]


def table(folder, query="FROM rationale ORDER BY prompt_id"):
    with duckdb.connect() as db:
        db.execute(f"CREATE VIEW rationale AS FROM read_parquet('{folder}/store/rationale/**/*.parquet')")
        return db.sql(query).to_arrow_table().to_pylist()


def test_every_row_of_a_file_is_used_or_counted(tmp_path):
    rows = [{"prompt_id": f"p{number}", "answer": "A"} for number in range(5)]
    told = {"p0": "They like ships.", "p1": "Answer: A", "p2": None, "gone": "They like horses."}
    file = tmp_path / "why.jsonl"
    file.write_text("".join(json.dumps({"prompt_id": key, "rationale": text}) + "\n" for key, text in told.items()))
    found, counts = rationale.of_file(str(file), rows)
    assert found == {"p0": "They like ships."}
    assert counts == {"empty": 2, "of prompts not learnt from": 1, "lacking": 4}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"prompt_id": "p0", "why": "x"}\n', "has no columns prompt_id and rationale"),
        ('{"prompt_id": "p0", "rationale": "x"}\n{"prompt_id": \n', "why.jsonl cannot be read: "),
    ],
)
def test_a_file_that_is_none_of_rationales_is_refused(tmp_path, content, says):
    (tmp_path / "why.jsonl").write_text(content)
    with pytest.raises(RefusedInput, match=says):
        rationale.of_file(str(tmp_path / "why.jsonl"), [{"prompt_id": "p0", "answer": "A"}])


@pytest.mark.slow
def test_reasons_of_a_file_are_learnt_beside_the_letters(here, capsys):  # noqa: F811
    rows = plays()
    planted.write(here / "store", rows)
    lines = [{"prompt_id": row["prompt_id"], "rationale": f"It suits.\nAnswer: {row['answer']}"} for row in rows[:20]]
    (here / "why.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert run(*SMALL, "posttrain.rationales=why.jsonl") == 0
    record = json.loads((here / "model/posttrain.json").read_text())
    counts = record["counts"]
    assert 0 < counts["rationales"] <= 20
    assert record["steps"] == -(-(counts["examples"] + counts["rationales"]) // 32)


def test_a_file_that_names_another_letter_is_refused(here, capsys):  # noqa: F811
    rows = plays()
    planted.write(here / "store", rows)
    wrong = {"A": "B"}.get(rows[3]["answer"], "A")
    lines = [{"prompt_id": row["prompt_id"], "rationale": f"The answer is {row['answer']}."} for row in rows]
    lines[3]["rationale"] = f"It suits. Answer: {wrong}"
    (here / "why.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert run(*SMALL, "posttrain.rationales=why.jsonl", "posttrain.validation=0") == 2
    sentence = f"why.jsonl the rationale of prompt {rows[3]['prompt_id']} names the answer {wrong}"
    assert sentence in capsys.readouterr().err
    assert run(*SMALL, "posttrain.rationales=nowhere.jsonl") == 2
    assert "there is no file nowhere.jsonl" in capsys.readouterr().err


@pytest.mark.slow
def test_a_teacher_is_asked_once_and_its_slips_are_left_out(here, capsys):  # noqa: F811
    planted.write(here / "store", plays())
    asked = []

    def reply(seen):
        words = json.loads(seen.body)["messages"][-1]["content"]
        letter = words.rpartition('"Answer: ')[2][0]
        asked.append(letter)
        said = {"A": "B"}.get(letter, "A") if len(asked) == 5 else letter
        content = f"The member plays this.\nAnswer: {said}"
        choices = [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]
        body = json.dumps({"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
        return stand_in_endpoint.Reply(body=body)

    with stand_in_endpoint.answering(reply) as server:
        teacher = (
            f"posttrain.teacher.address={server.address}",
            "posttrain.teacher.model=wise",
            "posttrain.teacher.revision=1",
        )
        assert run(*SMALL, *teacher) == 0
        first = len(asked)
        found = table(here)
        assert len(found) == first > 20
        assert [row["status"] for row in found].count("other_answer") == 1
        assert {row["rationale"] for row in found} == {"The member plays this.", None}
        counts = json.loads((here / "model/posttrain.json").read_text())["counts"]
        assert (counts["rationales other_answer"], counts["rationales"]) == (1, first - 1)
        assert run(*SMALL, *teacher, "posttrain.epochs=2") == 0
        assert len(asked) == first
    models = duckdb.sql(f"SELECT backend FROM '{here}/store/model/**/*.parquet' WHERE backend = 'teacher'")
    assert len(models.fetchall()) == 1


def test_a_teacher_of_little_use_ends_the_run(here, capsys):  # noqa: F811
    planted.write(here / "store", plays())
    with stand_in_endpoint.replying(stand_in_endpoint.Reply()) as server:  # '{"caption": "a cat"}', and no letter
        address = f"posttrain.teacher.address={server.address}"
        assert run(*SMALL, address) == 2
        assert "needs rationales" in capsys.readouterr().err
        cut = stand_in_endpoint.COMPLETION | {"choices": [{"message": {"content": "It is"}, "finish_reason": "length"}]}
        server.reply = lambda seen: stand_in_endpoint.Reply(body=json.dumps(cut))
        assert run(*SMALL, address, "posttrain.teacher.model=dull", "posttrain.teacher.revision=1") == 1
        assert "100% of the teacher's rationales are of no use (cut" in capsys.readouterr().err
        assert not (here / "model").exists()
