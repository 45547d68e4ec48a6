import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from featurize.errors import RefusedInput
from featurize.inference.captions import load_prompt, parse

ANSWER: dict[str, Any] = {
    "subjects": ["a woman in a red coat", "a dog"],
    "people_count": 1,
    "mood": "tense",
    "setting": "a night street",
    "composition": "close-up, off centre",
    "text_on_artwork": "THE LAST TRAIN",
    "palette": ["black", "red"],
    "caption": "A woman in a red coat looks back.",
}
TEXT = json.dumps(ANSWER)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```",
        f"Here {{as asked}} it is:\n{TEXT}\nIs there more I can do?",
        f"<think>a {{}} or {{'a': 1}}?</think>{TEXT}",
        TEXT.replace("looks back", "looks\nback").replace(": 1", ": 1.0e0").replace("1.0e0", "1"),
    ],
)
def test_an_object_is_found_in_what_surrounds_it(text: str) -> None:
    columns = parse(text, "stop")
    assert columns["status"] == "ok"
    assert columns["raw_text"] == text
    assert {name: columns[name] for name in ANSWER} == {**ANSWER, "caption": columns["caption"]}
    assert columns["caption"].split() == ANSWER["caption"].split()


@pytest.mark.parametrize(
    ("text", "finish_reason", "status"),
    [
        ("a woman and a dog", "stop", "invalid_json"),
        ("", "stop", "invalid_json"),
        ("[1, 2]", "stop", "invalid_json"),
        (TEXT[:-20], "stop", "invalid_json"),
        (TEXT[:-20], "length", "truncated"),
        ('{"a":' * 100_000, "stop", "invalid_json"),
        ('{"people_count": ' + "9" * 10_000 + "}", "stop", "invalid_json"),
        ('{"picture": "a dog"}', "stop", "invalid_fields"),
        (TEXT + " and then it went on", "length", "ok"),
    ],
)
def test_what_is_not_an_answer_is_kept_and_named(text: str, finish_reason: str, status: str) -> None:
    columns = parse(text, finish_reason)
    assert columns["status"] == status
    assert columns["raw_text"] == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("people_count", "1"),
        ("people_count", True),
        ("people_count", 1.5),
        ("people_count", -1),
        ("people_count", 2**31),
        ("people_count", None),
        ("subjects", "a dog"),
        ("subjects", ["a dog", 3]),
        ("palette", None),
        ("mood", ["tense"]),
        ("caption", " "),
        ("text_on_artwork", 7),
    ],
)
def test_a_field_of_the_wrong_type_is_dropped_and_the_others_stay(name: str, value: object) -> None:
    columns = parse(json.dumps({**ANSWER, name: value}), "stop")
    assert columns["status"] == "invalid_fields"
    assert {key: columns[key] for key in ANSWER} == {**ANSWER, name: None}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_artwork_may_have_no_text(value: str | None) -> None:
    columns = parse(json.dumps({**ANSWER, "text_on_artwork": value}), "stop")
    assert (columns["status"], columns["text_on_artwork"]) == ("ok", None)


def test_half_a_surrogate_pair_can_be_stored() -> None:
    columns = parse(json.dumps({**ANSWER, "mood": "\ud83d sad", "palette": ["\udc00"]}), "stop")
    assert columns["status"] == "ok"
    assert pa.array([columns["mood"], *columns["palette"]]).to_pylist() == ["? sad", "?"]


def test_the_prompt_asks_for_every_field_and_for_the_sentence_last() -> None:
    prompt = load_prompt("artwork-v1")
    assert prompt.name == "artwork-v1"
    places = [prompt.text.index(f'"{name}":') for name in ANSWER]
    assert places == sorted(places)
    assert list(ANSWER)[-1] == "caption"


def test_a_prompt_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text(" Décris.\n", encoding="utf-8")
    assert load_prompt(str(path)).text == "Décris."
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RefusedInput, match=r"short\.txt"):
        load_prompt(str(path))
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(RefusedInput, match="empty"):
        load_prompt(str(path))
    with pytest.raises(RefusedInput, match="artwork-v0"):
        load_prompt("artwork-v0")
