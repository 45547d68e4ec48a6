"""The bundled ranker: what it is taught is true, none of it is a reward, and it learns through the code that ships."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from featurize.bundling import ranker, ranker_rows, ranker_score, ranker_start, trainer
from featurize.bundling.ranker_lists import conversation
from featurize.bundling.ranker_pages import HELD_OUT, LETTERS, TRAINING, dice_of, page
from featurize.bundling.ranker_templates import SHORT
from featurize.bundling.ranker_texts import STYLES, Document, document
from featurize.bundling.ranker_tokens import VOCABULARY, tokenizer
from featurize.bundling.texts import END, START
from featurize.errors import RefusedInput, RunFailed
from featurize.prompting import template
from jobs import bundle

NUMBERS = range(0, 4800, 16)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return [document(TRAINING, n, n % 64 == 0, None if n % 32 else SHORT, 2_000) for n in NUMBERS]


@pytest.fixture(scope="module")
def words(documents: list[Document]) -> Any:
    return tokenizer(each.text for each in documents)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WIDTH": 32, "LAYERS": 2, "HEADS": 2, "INNER": 64, "TOKENS": 1024}.items():
        monkeypatch.setattr(ranker, name, value)


@pytest.mark.slow
def test_letters_and_numbers_are_one_token_wherever_they_stand(words: Any) -> None:
    check_tokens(words)


@pytest.mark.slow
def test_so_they_are_in_the_vocabulary_that_ships() -> None:
    """Which is learnt from so many more words that numbers might have to make room."""
    words = tokenizer(ranker._corpus())
    assert len(words) == VOCABULARY
    check_tokens(words)


def check_tokens(words: Any) -> None:
    for letter in LETTERS:
        (alone,) = words(letter)["input_ids"]
        for text in (f"\n{letter}. a city", f"is {letter} or", f'"x"; {letter} shown', f"{letter}: none"):
            assert words(text)["input_ids"].count(alone) == 1, text
        prompt = words.apply_chat_template(
            [{"role": "user", "content": "?"}], add_generation_prompt=True, tokenize=False
        )
        assert words(prompt + letter)["input_ids"] == [*words(prompt)["input_ids"], alone]
    assert all(len(words(str(number))["input_ids"]) == 1 for number in range(1000))


@pytest.mark.parametrize("text", ["Ein Käsebrot, 3 €", "日本語 ½² _x_\t y", "a<|im_x|>b\n\n C'est  ", "🎬"])
def test_any_text_comes_back(words: Any, text: str) -> None:
    assert words.decode(words(text)["input_ids"]) == text


def test_a_conversation_is_what_the_chat_template_writes(words: Any) -> None:
    each = document(TRAINING, 5, False, SHORT, 900)
    turns = [part.split("\n", 1) for part in each.text.replace(END + "\n", "").split(START)[1:]]
    messages = [{"role": role, "content": content} for role, content in turns]
    assert words.apply_chat_template(messages, tokenize=False) == each.text
    assert [message["content"] for message in messages if message["role"] == "assistant"] == [
        answer for _, _, answer in each.asked
    ]


def test_an_answer_that_is_a_letter_is_that_of_the_line_it_is_about(documents: list[Document]) -> None:
    """Read back from the text alone: the words asked for stand on the line of the right letter and on no other."""
    checked = Counter[str]()
    for each in documents:
        shown = each.written.read.candidates
        lines = {one.letter: _line(each.written.text, one.letter) for one in shown}
        for kind, question, answer in each.asked:
            if kind in ("which words", "which depicts", "which caption") and answer != "none":
                named = next(one.traits[kind.removeprefix("which ")] for one in shown if one.letter == answer)
                asked = [name for name in named.split(", ") if name in question] if kind == "which depicts" else [named]
                at = [letter for letter, line in lines.items() if asked[0] in line]
                assert at == [answer], (each.written.text, question)
                checked[kind] += 1
    assert min(checked.values()) > 5
    assert len(checked) == 3


def _line(text: str, letter: str) -> str:
    marks = (f"{letter}. ", f"{letter}: ", f"{letter}) ", f"- {letter}: ")
    return next(line for line in text.split("\n") if line.startswith(marks))


def test_lists_of_answers_are_in_the_order_of_their_question() -> None:
    """Read back from the text alone, on pages with little on them."""
    checked = Counter[str]()
    for number in range(300):
        each = document(HELD_OUT, number, True, "free", 600)
        lines = {one.letter: _line(each.written.text, one.letter) for one in each.written.read.candidates}
        for kind, question, answer in each.asked:
            if kind == "letters of":
                values, letters = question.removeprefix("Letters of: ").split("; "), answer.split(", ")
                assert len(values) == len(letters) > 1
                for value, letter in zip(values, letters, strict=True):
                    assert [one for one, line in lines.items() if re.search(rf"\b{re.escape(value)}\b", line)] == [
                        letter
                    ]
            elif kind.endswith(" of each") and question.startswith("The "):
                letters = question.rstrip(":").partition(" of ")[2].split(", ")
                assert [value in lines[one] for one, value in zip(letters, answer.split(", "), strict=True)] == [
                    True
                ] * len(lines)
            elif kind.startswith("plays of each"):
                names = question.removeprefix("Plays of ").rstrip(":").split(", ")
                for name, count in zip(names, answer.split(", "), strict=True):
                    assert re.search(rf"\b{name}\W+x?{count}\b|\b{name}: {count}\b", each.written.text)
            else:
                continue
            checked[kind.split()[0]] += 1
    assert min(checked[kind] for kind in ("letters", "plays", "mood", "genre")) > 5


def test_counts_and_members_favourites_are_those_of_the_text(documents: list[Document]) -> None:
    checked = Counter[str]()
    for each in documents:
        read = each.written.read
        for kind, question, answer in each.asked:
            if kind == "count artworks":
                assert answer == str(len(read.candidates))
            elif kind == "most watched genre":
                assert answer == max(read.plays, key=lambda one: one[1])[0]
                assert answer in each.written.text
            elif kind == "artwork of most watched person" and answer != "none":
                (favourite, count), *others = read.people
                assert all(count > other for _, other in others)
                assert [one.letter for one in read.candidates if favourite in one.depicts] == [answer]
            elif kind == "times shown":
                letter = next(one for one in read.candidates if one.letter in question.split())
                assert answer == str(letter.before)
            else:
                continue
            checked[kind] += 1
    assert len(checked) == 4


@pytest.mark.slow
def test_no_letter_is_favoured() -> None:
    asked = [each for n in range(0, 6400, 16) for each in [document(TRAINING, n, False, "free", 2_000)]]
    right = Counter(answer for each in asked for _, _, answer in each.asked if answer in LETTERS)
    fair = Counter[str]()
    for each in asked:
        letters = [one.letter for one in each.written.read.candidates]
        for kind, _, answer in each.asked:
            if answer in LETTERS and kind != "last letter":
                fair.update({letter: 1 / len(letters) for letter in letters})
    last = Counter(answer for each in asked for kind, _, answer in each.asked if kind == "last letter")
    total = sum(fair.values())
    for letter in "ABCD":
        assert (right[letter] - last[letter]) / total == pytest.approx(fair[letter] / total, abs=0.03)


@pytest.mark.slow
def test_a_page_is_the_same_in_every_process() -> None:
    program = """
from featurize.bundling.ranker_texts import document
print([document(1000, n, n % 2 == 0, None, 900).text for n in range(6)])"""
    command, path = [sys.executable, "-c", program], ":".join(sys.path)
    said = subprocess.check_output(command, env={"PYTHONHASHSEED": "1", "PYTHONPATH": path}, text=True)
    assert said == f"{[document(1000, n, n % 2 == 0, None, 900).text for n in range(6)]}\n"


@pytest.mark.slow
def test_it_is_taught_from_other_worlds_than_the_one_people_use() -> None:
    def about(stream: int, number: int) -> str:
        read = page(stream, number, dice_of(stream, number))
        return f"{read.name} {read.year} {read.synopsis}"

    taught = {about(TRAINING, number) for number in range(0, 5000, 100)}
    assert taught.isdisjoint(about(HELD_OUT, number) for number in range(50))


def test_nothing_that_knows_a_reward_or_a_choice_is_read() -> None:
    forbidden = {
        f"featurize.demo.{name}" for name in ("impressions", "policy", "values", "learning", "members", "visits")
    }
    for path in Path(ranker.__file__).parent.glob("ranker*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not forbidden & set(names), path.name


def test_marks_are_of_answers_and_rows_are_full(words: Any, documents: list[Document]) -> None:
    backend = words.backend_tokenizer
    short = [each for each in documents if each.written.style in ("free", SHORT)][:40]
    ids, answers = ranker_rows.encode(backend, [each.text for each in short], 640)
    assert ids.shape == answers.shape == (40, 640)
    found = 0
    for row, marks, each in zip(ids, answers, short, strict=True):
        marked = np.split(row, np.flatnonzero(np.diff(marks)) + 1)[1::2]
        said = [text for text in (words.decode(part) for part in marked) if text.endswith(END)]
        assert said == [answer + END for _, _, answer in each.asked[: len(said)]]
        found += len(said)
    assert found > 40 * 8
    assert (ids != words.pad_token_id).mean() > 0.85


@pytest.mark.usefixtures("small")
def test_it_trains_on_what_transformers_computes(words: Any) -> None:
    task = ranker.Ranker(workers=1, words=words, compiled=False)
    texts = [document(TRAINING, n, True, "free", 400).text for n in range(4)]
    ids, answers = (torch.from_numpy(each) for each in ranker_rows.encode(words.backend_tokenizer, texts, 128))
    kept = torch.rand(ids.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    with torch.inference_mode():
        logits = task.module(ids.long()).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(logits.mT, ids[:, 1:].long(), reduction="none")
        wanted = answers[:, 1:].bool()
        other = ~wanted & (ids[:, 1:] != words.pad_token_id) & kept[:, 1:]
        loss, figures = task.loss({"ids": ids, "answers": answers, "kept": kept})
    assert figures["answers"].item() == pytest.approx(losses[wanted].mean().item(), abs=1e-4)
    assert figures["others"].item() == pytest.approx(losses[other].mean().item(), abs=1e-4)
    assert loss.item() == pytest.approx(figures["answers"].item() + 0.3 * figures["others"].item(), abs=1e-4)


def test_it_begins_as_a_reader_who_knows_nothing(words: Any) -> None:
    """Heads of the first layer look one to three tokens back, the others at what is alike, however far back it is."""
    model = ranker.build(words)
    ranker_start.begin(model, seed=0)
    model.set_attn_implementation("eager")
    once = np.random.default_rng(0).choice(np.arange(300, len(words)), 40, replace=False).tolist()
    with torch.inference_mode():
        first, *others = model(torch.tensor([once + once]), output_attentions=True).attentions
    for head, back in enumerate((1, 1, 2, 3)):
        assert first[0, head].diagonal(-back).mean() > 0.8
    for attention in others:
        assert attention[0].diagonal(-40, 1, 2).mean() > 0.25
        assert attention[0].diagonal(0, 1, 2).mean() > 0.25


def test_lists_are_looked_up_rightly() -> None:
    """Both sides of each pair of an answer stand side by side in the list, in whatever order they are told."""
    kinds = Counter[str]()
    for number in range(400):
        turns = [
            part.split("\n", 1)[1] for part in conversation(TRAINING, number).replace(END + "\n", "").split(START)[1:]
        ]
        listed = turns[0].rpartition("\n")[0]
        pairs = {}
        for one in re.split(r"\n|; |, ", listed):
            lettered = re.fullmatch(r"(?:- )?([A-G])[.:)] (.+)", one)
            counted = re.fullmatch(r"(.+?)(?:: | x| \(| )(\d+)\)?(?: times)?", one)
            key, value = (lettered[2], lettered[1]) if lettered else (counted[1], counted[2])  # type: ignore[index]
            pairs[key] = value
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            question = question.rpartition("\n")[2]
            said = answer.split(", ")
            if question.startswith(("Each with", "Letter of each", "Count of each")):
                assert said == [f"{key} {pairs[key]}" for key in (one.rpartition(" ")[0] for one in said)]
                assert len({*said}) == len(pairs)
            elif question.startswith("By "):
                assert {tuple(one.split(" ", 1)[::-1]) for one in said} == {*pairs.items()}
            elif question.startswith(("Letters of: ", "Counts of ")):
                asked = re.split("; |, ", re.sub("^(Letters of: |Counts of )", "", question).rstrip(":"))
                assert said == [pairs[key] for key in asked]
            elif question.startswith("What is "):
                assert pairs[answer] == question.removeprefix("What is ").rstrip("?")
            else:
                asked_for = question.removeprefix("Which one is ").removeprefix("How many of ").rstrip("?")
                assert pairs[asked_for] == answer
            kinds[question.split()[0]] += 1
    assert min(kinds.values()) > 20, kinds
    assert len(kinds) == 9, kinds


@pytest.mark.usefixtures("small")
def test_training_goes_on_with_the_tokenizer_it_began_with_or_says_why_not(
    words: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu, file = torch.device("cpu"), tmp_path / "ranker.pt"

    def go_on() -> None:
        trainer.fit(
            ranker.Ranker(workers=1, words=words, compiled=False), file, 2, "ranker", cpu
        )  # all is done already

    task = ranker.Ranker(workers=1, words=words, compiled=False)
    trainer._save(file, task, trainer._optimizers(task.module, 1e-3), 2)
    go_on()
    state = torch.load(file)
    torch.save({**state, "meaning": "another tokenizer"}, file)
    with pytest.raises(RunFailed, match=f"{file} is of another version of this model"):
        go_on()
    del state["meaning"]  # as checkpoints were before
    torch.save(state, file)
    go_on()
    monkeypatch.setattr(ranker, "WIDTH", 64)
    with pytest.raises(RunFailed, match=f"{file} is of another version of this model"):
        go_on()


def test_a_folder_without_a_ranker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="holds no ranker"):
        ranker_score.score(tmp_path, 4)


def test_a_folder_without_a_ranker_to_go_on_from_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--only=ranker", f"--from={tmp_path / 'none'}", f"--work={tmp_path / 'work'}", f"--out={tmp_path}"]
    assert bundle.main(asked) == 2
    assert f"{tmp_path / 'none'} holds no ranker" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_it_learns_and_is_loaded_by_transformers(words: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "WARM_UP", 10)
    monkeypatch.setattr(ranker.Ranker, "learning_rate", 1e-2)
    cpu = torch.device("cpu")
    task = ranker.Ranker(workers=1, words=words, compiled=False)
    before = ranker_score.score(_export(task, tmp_path / "before"), 32)["next_word_loss"]
    trainer.fit(task, tmp_path / "ranker.pt", 120, "ranker", cpu)
    learnt = {name: value.clone() for name, value in task.module.state_dict().items()}
    trainer.fit(task, tmp_path / "ranker.pt", 120, "ranker", cpu)  # all is done already
    task.close()
    assert all(torch.equal(value, learnt[name]) for name, value in task.module.state_dict().items())
    folder = _export(task, tmp_path / "after")
    found = ranker_score.score(folder, 32)
    assert found["next_word_loss"] < before - 1
    model, again = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert model.dtype == torch.bfloat16
    assert again.chat_template
    assert again("A city, 12")["input_ids"] == words("A city, 12")["input_ids"]


def _export(task: ranker.Ranker, folder: Path) -> Path:
    task.export(folder)
    return folder


def test_a_ranker_that_was_written_goes_on_with_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranker, "TOKENS", 1024)
    folder = Path(bundle.__file__).parents[1] / "featurize/bundled/ranker"
    shipped = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
    with closing(ranker.Ranker(workers=1, compiled=False, begin=folder)) as task:
        assert all(torch.equal(value, shipped[name]) for name, value in task.module.state_dict().items())
        assert task.tokenizer("E and 12")["input_ids"] == AutoTokenizer.from_pretrained(folder)("E and 12")["input_ids"]
        batches = [task.batch(step, 0.0) for step in range(6)]
        whole = [batch for batch in batches if batch["ids"].shape[1] >= 448]
        assert len(whole) >= 4  # where a new one would read lists
        with torch.inference_mode():
            _, figures = task.loss(whole[0])
    assert figures["right"] > 0.3


@pytest.mark.slow
def test_all_are_trained_and_scored_or_the_one_that_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--samples=0", "--scenes=4", "--held-out=8", "--threads=1", f"--work={tmp_path / 'work'}"]
    asked = [*small, f"--out={tmp_path / 'out'}", f"--scores={tmp_path / 'scores.json'}"]
    assert bundle.main([*asked, "--only=ranker"]) == 2
    assert f"{tmp_path / 'out' / 'captioner'}" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ranker"]
    assert bundle.main(asked) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"captioner", "clip", "ranker"}
    found = json.loads((tmp_path / "scores.json").read_text())
    assert set(found) == {"held_out_scenes", "captioner", "clip", "ranker"}
    assert found["ranker"]["questions"] == 8


def test_every_style_is_a_template_that_ships_or_free() -> None:
    for style in STYLES:
        assert style == "free" or style in template.names()
