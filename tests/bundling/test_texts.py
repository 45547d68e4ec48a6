"""What the models are taught to say: true, readable back, and one token a word."""

import json
from itertools import islice

import pytest

from featurize.bundling import texts
from featurize.bundling.scenes import HELD_OUT, TRAINING, scene
from featurize.bundling.score import compare, consistent
from featurize.demo.scenes import describe
from featurize.demo.titles import titles
from featurize.featurizing import tags
from featurize.inference import captions

SCENES = [scene(HELD_OUT, index) for index in range(300)]


def test_no_stream_shares_a_scene_with_another():
    drawn = [scene(stream, index) for stream in (TRAINING, HELD_OUT) for index in range(300)]
    world = [artwork.scene for title in islice(titles(60, 0), 60) for artwork in title.artworks]
    assert len(set(drawn)) == 600
    assert set(drawn).isdisjoint(world)
    assert scene(TRAINING, 7) == scene(TRAINING, 7)


def test_an_answer_is_the_truth_in_the_fields_of_description():
    for each in SCENES:
        row = captions.parse(texts.answer(each), "stop")
        assert row["status"] == "ok"
        assert all(compare(describe(each), row).values())
        assert consistent(row)
        assert list(json.loads(texts.answer(each))) == list(texts.FIELDS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mood", "bored"),
        ("people_count", 7),
        ("subjects", ["sheep"]),
        ("setting", "harbour"),
        ("composition", "wide shot, upside down"),
    ],
)
def test_a_sentence_that_says_otherwise_than_the_fields_is_found(field, value):
    row = captions.parse(texts.answer(SCENES[0]), "stop")
    assert row[field] != value
    assert not consistent({**row, field: value})


@pytest.mark.slow
def test_the_captioner_reads_and_writes_whole_words():
    tokenizer = texts.captioner_tokenizer(scene(TRAINING, index) for index in range(2000))
    for each in SCENES:
        answer = texts.answer(each)
        ids = tokenizer(answer)["input_ids"]
        assert tokenizer.decode(ids) == answer
        assert len(ids) < 80
    piece = tokenizer.convert_tokens_to_ids(texts.VISION[2])
    assert tokenizer(texts.VISION[2] * 3)["input_ids"] == [piece] * 3


def test_clip_reads_its_labels_and_any_other_text():
    labels = tags.load_labels("demo-v1")
    tokenizer = texts.clip_tokenizer((scene(TRAINING, index) for index in range(1000)), labels.texts)
    for text in [*labels.texts, texts.description(SCENES[0]), "Ein Käsebrot, 3 €"]:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text
        assert ids[0] == tokenizer.convert_tokens_to_ids(texts.START)
        assert ids[-1] == tokenizer.convert_tokens_to_ids(texts.END)


def test_heads_are_told_what_there_is_one_of():
    for each, row in zip(SCENES, texts.choice_targets(SCENES), strict=True):
        chosen = {name: labels[at] for at, (name, (labels, _)) in zip(row, texts.CHOICES.items(), strict=True)}
        assert chosen["mood"] == each.mood
        assert chosen["people"] == str(each.people_count)
