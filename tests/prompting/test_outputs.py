"""What is made of prompts: training files, pseudonyms, token counts, and a table that others can read."""

import json
import re

import datasets
import duckdb
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from featurize.demo.world import VERSION
from jobs import cli, prompts

from . import worlds

FILES = {"titles": "title", "history": "history", "impressions": "impression"}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_training_files_are_in_the_form_that_trl_reads(tmp_path):
    world = worlds.plain(impressions=60)
    for number, row in enumerate(world.impression):
        row["reward"] = (0.0, 0.49, 0.5, 1.0)[number % 4]
    world.title[0]["synopsis"] = "Quotes ' and \\ and ünïcode"
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__export=tmp_path / "out") == 0
    played = [row for row in worlds.rows(tmp_path) if row["reward"] >= 0.5]
    assert len(played) == 30
    for split in ("train", "held_out"):
        expected = [row for row in played if row["split"] == split]
        assert expected
        sft = lines(tmp_path / "out" / f"sft-{split}.jsonl")
        answered = [{"prompt": row["messages"], "completion": [_says(row["answer"])]} | _kept(row) for row in expected]
        assert sorted(map(str, sft)) == sorted(map(str, answered))
        dpo = lines(tmp_path / "out" / f"dpo-{split}.jsonl")
        pairs = [
            {"prompt": row["messages"], "chosen": [_says(row["answer"])], "rejected": [_says(other)]} | _kept(row)
            for row in expected
            for other in "ABC".replace(row["answer"], "")
        ]
        assert sorted(map(str, dpo)) == sorted(map(str, pairs))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{form}-{split}.jsonl" for form in ("sft", "dpo") for split in ("train", "held_out")
    }


def _says(letter):
    return {"role": "assistant", "content": letter}


def _kept(row):
    return {name: row[name] for name in ("prompt_id", "recipe_key", "propensity", "reward")}


@pytest.mark.slow
def test_the_views_of_the_catalog_are_the_training_files(tmp_path, monkeypatch):
    worlds.plain(impressions=60).write(tmp_path)
    assert worlds.run(tmp_path, prompts__export=tmp_path / "out") == 0
    monkeypatch.chdir("/")
    kept = "prompt_id, recipe_key, propensity, reward"
    with duckdb.connect(f"{tmp_path}/store/catalog.duckdb", read_only=True) as db:
        for form, fields in (("sft", "prompt, completion"), ("dpo", "prompt, chosen, rejected")):
            for split in ("train", "held_out"):
                rows = db.execute(f"SELECT {fields}, {kept} FROM {form} WHERE split = '{split}'").fetchall()
                assert rows
                written = [tuple(line.values()) for line in lines(tmp_path / "out" / f"{form}-{split}.jsonl")]
                assert sorted(map(str, rows)) == sorted(map(str, written))


def test_what_words_cannot_tell_apart_is_left_out_and_counted(tmp_path, capsys):
    world = worlds.plain(impressions=40)
    for row in world.description:
        if row["image_sha256"] in (worlds.sha("t0-0"), worlds.sha("t0-2"), worlds.sha("t1-1"), worlds.sha("t1-2")):
            row["caption"] = "The same."  # t0: the one shown and another; t1: the two that were not shown
    world.description = [row for row in world.description if row["image_sha256"] != worlds.sha("t2-1")]
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__export=tmp_path / "out") == 0
    rows = {row["prompt_id"]: row for row in worlds.rows(tmp_path)}
    found = {form: lines(tmp_path / "out" / f"{form}-train.jsonl") for form in ("sft", "dpo")}
    for form in found:
        found[form] += lines(tmp_path / "out" / f"{form}-held_out.jsonl")
    titles = {form: [rows[line["prompt_id"]]["title_id"] for line in each] for form, each in found.items()}
    assert [titles["sft"].count(f"t{n}") for n in range(4)] == [0, 10, 10, 10]
    assert [titles["dpo"].count(f"t{n}") for n in range(4)] == [10, 20, 20, 20]
    for line in found["dpo"]:
        row = rows[line["prompt_id"]]
        said = dict(re.findall(r"^([ABC])\. (.*)$", row["prompt"], re.MULTILINE))
        assert len(said) == 3
        assert said[line["chosen"][0]["content"]] != said[line["rejected"][0]["content"]]
        assert row["same_as"] == [list(said.values()).index(words) + 1 for words in said.values()]
    assert worlds.counts(tmp_path)["sft left out, same words"] == 10
    assert worlds.counts(tmp_path)["dpo left out, same words"] == 10
    assert "sft left out, same words 10" in capsys.readouterr().out
    with duckdb.connect(f"{tmp_path}/store/catalog.duckdb", read_only=True) as db:
        query = "SELECT form, sum(rows) FROM training_left_out GROUP BY form ORDER BY form"
        assert db.execute(query).fetchall() == [("dpo", 10), ("sft", 10)]


@pytest.mark.slow
def test_two_recipes_in_a_store_do_not_double_what_is_trained_on(tmp_path, capsys):
    world = worlds.plain(impressions=30)
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    (first,) = {row["recipe_key"] for row in worlds.rows(tmp_path)}
    capsys.readouterr()
    few = worlds.World(world.title, [], world.impression[:2], [], [], [])
    (tmp_path / "few").mkdir()
    few.write(tmp_path / "few")
    experiment = {"prompts__seed": 1, "input__impressions": tmp_path / "few" / "impression.parquet"}
    assert worlds.run(tmp_path, **experiment) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"the current logged prompts are still those of {first}, which covers 30; prompts-" in told
    assert trained(tmp_path) == {(first, 30)}
    assert worlds.run(tmp_path, prompts__seed=1) == 0  # the whole of it, with the other recipe
    (second,) = {row["recipe_key"] for row in worlds.rows(tmp_path)} - {first}
    told = f"the current logged prompts are now those of {second}, by coverage; they were those of {first}"
    assert told in " ".join(capsys.readouterr().out.split())
    assert trained(tmp_path) == {(second, 30)}
    assert worlds.run(tmp_path, prompts__seed=1, pin__recipe=first) == 0
    assert f"the current logged prompts are now those of {first}, pinned" in " ".join(capsys.readouterr().out.split())
    assert trained(tmp_path) == {(first, 30)}
    assert worlds.run(tmp_path, pin__recipe="prompts-0") == 2
    assert "pin.recipe: " in capsys.readouterr().err


def trained(folder):
    with duckdb.connect(f"{folder}/store/catalog.duckdb", read_only=True) as db:
        return set(db.execute("SELECT recipe_key, count(*) FROM sft GROUP BY ALL").fetchall())


@pytest.mark.slow
def test_the_files_are_made_again_from_what_is_committed(tmp_path):
    worlds.plain(impressions=30).write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert worlds.run(tmp_path, prompts__export=tmp_path / "out") == 0
    assert len(lines(tmp_path / "out" / "sft-train.jsonl")) + len(lines(tmp_path / "out" / "sft-held_out.jsonl")) == 30


def test_datasets_reads_the_table_directly(tmp_path):
    worlds.plain(impressions=30).write(tmp_path)
    assert worlds.run(tmp_path) == 0
    files = f"{tmp_path}/store/prompt/**/*.parquet"
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert sorted(loaded["prompt_id"]) == [row["prompt_id"] for row in worlds.rows(tmp_path)]
    assert [message["role"] for message in loaded[0]["messages"]] == ["system", "user"]


@pytest.mark.parametrize("size", ["small", pytest.param("paper", marks=pytest.mark.slow)])
def test_on_a_demo_world_three_prompts_are_printed_in_full(tmp_path, monkeypatch, capsys, size):
    demo = tmp_path / "demo" / size
    demo.mkdir(parents=True)
    (demo / "world.json").write_text(json.dumps({"version": VERSION, "size": size, "seed": 0, "complete": True}))
    made = worlds.demo(impressions=20)
    for row in made.artwork:
        row["source"] = str(demo / "manifest.parquet")
    made.write(demo)
    (demo / "store").rename(tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    chosen = ["--set", "input.demo=paper"] if size == "paper" else []
    assert cli.main("prompts", prompts.__doc__, prompts.prompts, chosen) == 0
    told = capsys.readouterr().out
    newest = sorted(worlds.rows(tmp_path), key=lambda row: row["asked_at"])[-3:]
    assert len(newest) == 3
    for row in newest:
        head = f"-- prompt {row['prompt_id']}, answer {row['answer']}, reward {row['reward']:g}"
        assert f"{head}\n{row['prompt']}\n" in told
    assert worlds.run(tmp_path, **{f"input__{name}": demo / f"{file}.parquet" for name, file in FILES.items()}) == 0
    assert "-- prompt" not in capsys.readouterr().out


@pytest.mark.slow
def test_pseudonyms_take_the_place_of_member_ids_everywhere(tmp_path, monkeypatch, capsys):
    world = worlds.plain(impressions=20)
    for row in world.impression:
        row["member_id"] = f"secret-{row['member_id']}"
    world.pair = [{"member_id": row["member_id"], "title_id": "t0"} for row in world.impression[:5]]
    world.history = [worlds.event("secret-m1", "t1", worlds.START)]
    world.write(tmp_path)
    key = {"prompts__member_key_env": "MEMBER_KEY"}
    assert worlds.run(tmp_path, **key) == 2
    assert "MEMBER_KEY is not set" in capsys.readouterr().err
    monkeypatch.setenv("MEMBER_KEY", "one")
    assert worlds.run(tmp_path, **key) == 0
    nightly = {"prompts__kind": "nightly", "input__pairs": tmp_path / "pair.parquet", "input__impressions": None}
    assert worlds.run(tmp_path, **key, **nightly, prompts__at="2025-06-01T00:00:00Z") == 0
    rows = worlds.rows(tmp_path)
    names = {kind: {row["member_id"] for row in rows if row["kind"] == kind} for kind in ("logged", "nightly")}
    assert names["logged"] == names["nightly"]
    assert len(names["logged"]) == 5
    assert sum("watched 30 min" in row["prompt"] for row in rows) > 1
    for table in ("prompt", "model", "run"):
        assert "secret" not in str(pq.read_table(tmp_path / "store" / table).to_pylist())
    monkeypatch.setenv("MEMBER_KEY", "two")
    assert worlds.run(tmp_path, **key) == 0
    assert len({row["member_id"] for row in worlds.rows(tmp_path)}) == 10


@pytest.mark.slow
def test_tokens_are_counted_by_the_tokenizer_that_is_named(tmp_path):
    worlds.plain(impressions=4).write(tmp_path)
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    (tmp_path / "ranker").mkdir()
    tokenizer.save(str(tmp_path / "ranker" / "tokenizer.json"))
    assert worlds.run(tmp_path, prompts__tokenizer=tmp_path / "ranker") == worlds.run(tmp_path) == 0
    rows = worlds.rows(tmp_path)
    for row in rows:
        by_words = row["tokens_by"].startswith("tokenizer-")
        assert row["tokens"] == len(row["prompt"].split() if by_words else row["prompt"])
    assert len({row["tokens_by"] for row in rows}) == 2
    assert worlds.run(tmp_path, prompts__tokenizer=tmp_path) == 2
