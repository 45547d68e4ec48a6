"""The experiment's stages: commands that their jobs understand, each run once, and records of all that it took."""

import json
import random
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurize import config
from featurize.errors import RefusedInput, RunFailed
from featurize.paper import rationales, stages
from featurize.paper.stages import Stage
from featurize.posttraining import rationale
from featurize.storage.store import Store
from jobs import cli, paper
from tests.posttraining import planted


def test_each_stage_is_a_job_with_settings_that_it_knows(tmp_path):
    made = stages.stages(tmp_path / "paper", ["run.executor=local"])
    assert [stage.name for stage in made] == [
        "featurize",
        "prompts",
        "posttrain-weighted",
        "posttrain-sft",
        "posttrain-direct",
        "posttrain-reward_model",
        "posttrain-sft_reasoning",
        "posttrain-dpo",
        "rank",
        "evaluate",
    ]
    for stage in made:
        flag, job, *flags = stage.arguments
        assert (flag, job) == ("-m", f"jobs.{stage.name.partition('-')[0]}")
        asked = cli.parser(job.removeprefix("jobs."), "-").parse_args(flags)
        settings = config.load(asked.profile, asked.set)
        assert settings.store == str(tmp_path / "paper/store")
        assert settings.input.demo == "paper"
    assert config.load("local", asked.set).run.executor == "local"
    ranked = config.load("local", cli.parser("rank", "-").parse_args(made[-2].arguments[2:]).set).rank
    assert ranked.models == ("bundled:ranker", *(str(tmp_path / f"paper/model-{name}") for name in stages.METHODS))


def test_some_of_the_methods_will_do(tmp_path):
    asked = paper.parser().parse_args(["--methods", "weighted", "dpo"])
    made = stages.stages(tmp_path, asked.set, asked.methods)
    names = ["featurize", "prompts", "posttrain-weighted", "posttrain-dpo", "rank", "evaluate"]
    assert [stage.name for stage in made] == names
    assert json.dumps(["bundled:ranker", *(f"{tmp_path}/model-{name}" for name in asked.methods)]) in made[-2].command


def test_what_a_method_goes_on_from_is_trained_before_it(tmp_path):
    made = stages.stages(tmp_path, [], ["direct"])
    assert [stage.name for stage in made[2:4]] == ["posttrain-sft", "posttrain-direct"]
    bases = [
        config.load("local", cli.parser("posttrain", "-").parse_args(each.arguments[2:]).set) for each in made[2:4]
    ]
    assert [each.posttrain.base for each in bases] == ["bundled:ranker", str(tmp_path / "model-sft")]


def test_a_stage_is_run_until_it_is_done_and_not_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = "import pathlib, sys; p = pathlib.Path('tries'); n = int(p.read_text()) + 1 if p.exists() else 1; "
    program += "p.write_text(str(n)); sys.exit(0 if n == 2 else 1)"
    stage = Stage("two-tries", ("-c", program), lambda: {"figure": 7})
    with pytest.raises(RunFailed, match="stage two-tries ended with code 1"):
        stages.run(stage, tmp_path)
    first = json.loads((tmp_path / "records/two-tries.json").read_text())
    assert (first["done"], "figure" in first) == (False, False)
    second = stages.run(stage, tmp_path)
    assert (second["done"], second["figure"]) == (True, 7)
    assert second["seconds"] > first["seconds"] > 0
    assert stages.run(stage, tmp_path) == second
    assert (tmp_path / "tries").read_text() == "2"
    (tmp_path / stages.PLOT).write_bytes(b"png")
    stages.publish(tmp_path, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"two-tries.json", stages.PLOT}


def test_a_stage_is_run_again_after_one_that_it_reads_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    count = (
        "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text() + '1' if p.exists() else '1')"
    )
    rank, evaluate = (
        Stage(name, ("-c", count, name), reads=reads) for name, reads in (("rank", ()), ("eval", ("rank",)))
    )
    for stage in (rank, evaluate, evaluate):
        stages.run(stage, tmp_path)
    assert (tmp_path / "eval").read_text() == "1"
    time.sleep(1.1)  # records tell seconds
    with_another_model = Stage("rank", ("-c", count, "rank", "--models=more"))
    for stage in (with_another_model, evaluate, evaluate):
        stages.run(stage, tmp_path)
    assert [(tmp_path / name).read_text() for name in ("rank", "eval")] == ["11", "11"]


def test_what_a_stage_reads_from_comes_before_it(tmp_path):
    made = stages.stages(tmp_path, [])
    names = [stage.name for stage in made]
    for place, stage in enumerate(made):
        assert set(stage.reads) <= set(names[:place])
    assert made[-1].reads == ("rank",)
    assert "posttrain-sft" in next(stage.reads for stage in made if stage.name == "posttrain-direct")


def test_a_stage_that_fails_ends_the_experiment_in_one_sentence(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    failing = Stage("prompts", ("-c", "import sys; sys.exit(2)"))
    monkeypatch.setattr(stages, "stages", lambda work, settings, methods: [failing])
    assert paper.main(["--work", "w", "--out", "o"]) == 1
    assert capfd.readouterr().err == (
        "error: stage prompts ended with code 2, see above; the next run goes on from there\n"
    )
    assert not (tmp_path / "o").exists()


def test_rationales_say_what_the_played_artwork_shows(tmp_path):
    rows = [planted.prompt(number, random.Random(number)) for number in range(40)]
    planted.write(tmp_path / "store", rows)
    store, world = Store(str(tmp_path / "store")), tmp_path / "world"
    with pytest.raises(RefusedInput, match=r"truth/scene\.parquet is not there"):
        rationales.write(store, world, tmp_path / "why.parquet")
    shown = sorted({artwork for row in rows for artwork in row["artwork_ids"]})
    (world / "truth").mkdir(parents=True)
    scenes = {
        "artwork_id": shown,
        "mood": ["tense"] * len(shown),
        "theme": [name.partition("-")[2] for name in shown],
        "depicts": [["Ana Lima", "Bo Ek"] if name.startswith("1") else [] for name in shown],
    }
    pq.write_table(pa.table(scenes), world / "truth/scene.parquet")
    rationales.write(store, world, tmp_path / "why.parquet")
    told = {row["prompt_id"]: row["rationale"] for row in pq.read_table(tmp_path / "why.parquet").to_pylist()}
    played = {row["prompt_id"]: row for row in rows if row["reward"] >= 0.5}
    assert told.keys() == played.keys()
    for prompt_id, words in told.items():
        row = played[prompt_id]
        artwork = row["artwork_ids"]["ABC".index(row["answer"])]
        people = ", with Ana Lima and Bo Ek" if artwork.startswith("1") else ""
        assert words == f"{row['answer']} shows tense {artwork.partition('-')[2]}{people}."
    assert len(told) > 5
    assert rationale.of_file(str(tmp_path / "why.parquet"), rows)[0] == told
