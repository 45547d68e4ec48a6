"""The job as people start it, on a store of planted prompts and a tiny real checkpoint."""

import json

import pytest
from transformers import PreTrainedTokenizerFast

from featurize.bundling.texts import END, byte_pairs
from featurize.posttraining.folder import Folder
from featurize.storage import views
from featurize.storage.store import Store
from jobs import cli, posttrain
from tests.posttraining import planted


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return planted.checkpoint(tmp_path_factory.mktemp("base"))


@pytest.fixture
def here(tmp_path, monkeypatch, base):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").symlink_to(base)
    return tmp_path


def run(*settings, base="base"):
    given = ("store=store", f"posttrain.base={base}", "posttrain.threads=1", "posttrain.dtype=float32", *settings)
    return cli.main("posttrain", posttrain.__doc__, posttrain.posttrain, [f"--set={each}" for each in given])


def test_a_model_folder_its_key_and_nothing_to_do_the_second_time(here, capsys):
    planted.write(here / "store", planted.some(80))
    small = ("posttrain.epochs=1", "posttrain.readings=2")
    assert run(*small) == 0
    files = {path.name for path in (here / "model").iterdir()}
    assert files >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "posttrain.json",
        "posttrain.png",
        "README.md",
    }
    assert (here / "model/tokenizer.json").read_bytes() == (here / "base/tokenizer.json").read_bytes()
    record = json.loads((here / "model/posttrain.json").read_text())
    with views.connect(Store("store")) as db:
        kept = db.execute("SELECT model_key, fingerprint FROM model WHERE backend = 'posttrain'").fetchall()
    assert kept == [(record["model_key"], json.dumps(record["fingerprint"], sort_keys=True))]
    before = (here / "model/model.safetensors").stat().st_mtime_ns
    assert [path.name for path in here.iterdir() if path.name.startswith(".")] == []
    capsys.readouterr()
    assert run(*small) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (here / "model/model.safetensors").stat().st_mtime_ns == before
    assert run(*small, "posttrain.seed=1") == 0
    assert json.loads((here / "model/posttrain.json").read_text())["model_key"] != record["model_key"]


def test_the_direct_method_says_how_well_it_tells_rewards(here, capsys):
    planted.write(here / "store", planted.some(80))
    assert run("posttrain.method=direct", "posttrain.epochs=1", "posttrain.readings=2") == 0
    figures = json.loads((here / "model/posttrain.json").read_text())["figures"]
    before, after = (f"{figures[when]['reward_loss']:.4f}" for when in ("before", "after"))
    assert f"| log-loss of the reward (nats) | {before} | {after} |" in (here / "model/README.md").read_text()
    said = " ".join(capsys.readouterr().out.split())
    assert f"log-loss of the rewards kept back: {before} -> {after} (their mean says " in said


def test_the_reward_model_says_what_the_choices_are_worth(here, capsys):
    """Of members nothing is known here: there is no history, and no artwork has a tag."""
    planted.write(here / "store", planted.some(80))
    given = ("posttrain.method=reward_model", "posttrain.epochs=1", "posttrain.readings=2", "posttrain.clip=5")
    assert run(*given) == 0
    figures = json.loads((here / "model/posttrain.json").read_text())["figures"]
    before, after = (f"{figures[when]['policy_value']:.4f}" for when in ("before", "after"))
    assert (
        f"| mean reward of its choices, by what it learns from | {before} | {after} |"
        in (here / "model/README.md").read_text()
    )
    said = " ".join(capsys.readouterr().out.split())
    assert f"what the choices on those kept back are worth, by what is learnt from: {before} -> {after} (of" in said
    assert "the reward model does not know what members played: input.history (HISTORY=) is not set" in said


@pytest.mark.parametrize("clip", ["0", "0.5"])
def test_a_weight_of_less_than_1_is_refused(here, capsys, clip):
    planted.write(here / "store", planted.some(80))
    assert run("posttrain.method=weighted", f"posttrain.clip={clip}") == 2
    assert f"posttrain.clip = {clip}: 1 / propensity is never below 1, so give 1 or more" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize("validation", [0, 0.3])
def test_a_model_of_no_numbers_is_not_put_anywhere(here, capsys, validation):
    planted.write(here / "store", planted.some(80))
    overflow = ("posttrain.method=dpo", "posttrain.beta=1e39")
    assert run(*overflow, f"posttrain.validation={validation}") == 1
    assert "error: the loss became no number: lower posttrain.learning_rate" in capsys.readouterr().err
    assert not (here / "model").exists()


def test_two_runs_do_not_write_to_one_place(here, capsys):
    planted.write(here / "store", planted.some(80))
    with Folder("model").held("another-run"):
        assert run("posttrain.epochs=1", "posttrain.readings=1") == 3
    assert "run another-run (process" in capsys.readouterr().err
    assert run("posttrain.epochs=1", "posttrain.readings=1", "posttrain.output=one of two") == 0
    assert """`make rank 'SET=posttrain.output="one of two"'`""" in " ".join(capsys.readouterr().out.split())
    assert not [path.name for path in here.iterdir() if path.name.startswith(".")]


def test_a_history_of_others_is_refused(here, capsys):
    planted.write(here / "store", planted.some(80))
    (here / "history.csv").write_text("member_id,title_id,event,at\nsomebody,t1,play,2020-01-01T00:00:00Z\n")
    assert run("posttrain.method=reward_model", "posttrain.clip=5", "input.history=history.csv") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "input.history: history.csv says of 0 of the " in told
    assert "they played a known title before they were asked: is it the file that `make prompts` was given?" in told


def test_a_dry_run_says_what_would_be_learnt_and_writes_nothing(here, capsys):
    planted.write(here / "store", planted.some(80))
    before = sorted(str(path) for path in here.rglob("*"))
    flags = ["--set=store=store", "--set=posttrain.base=base", "--dry-run"]
    assert cli.main("posttrain", "doc", posttrain.posttrain, flags) == 0
    assert "examples" in capsys.readouterr().out
    assert cli.main("posttrain", "doc", posttrain.posttrain, [*flags, "--set=posttrain.output=base/config.json/x"]) == 2
    assert "base/config.json is no folder for it" in " ".join(capsys.readouterr().err.split())
    assert sorted(str(path) for path in here.rglob("*")) == before


REFUSED = {
    "no prompts at all": (lambda rows: [], (), "has no prompts: run `make prompts` first"),
    "an empty split": (
        lambda rows: [row | {"split": "held_out"} for row in rows],
        (),
        "has no prompts of split train: run `make prompts` first",
    ),
    "no plays": (
        lambda rows: [row | {"reward": 0.0} for row in rows],
        ("posttrain.method=sft",),
        "none of the 30 prompts of split train has an answer that method sft learns from",
    ),
    "words that tell nothing apart": (
        lambda rows: [row | {"same_as": [1, 1, 1], "reward": 1.0} for row in rows],
        ("posttrain.method=dpo",),
        "none of the 30 prompts of split train has an answer that method dpo learns from; 60 were left out",
    ),
    "an answer outside the options": (
        lambda rows: [row | {"answer": "D", "reward": 1.0} for row in rows],
        (),
        "prompt 00000000000000000000000000000000: the answer D is not among A, B, C",
    ),
    "another tokenizer": (
        lambda rows: [row | {"tokens_by": "tokenizer-0123456789abcdef"} for row in rows],
        (),
        "were counted with tokenizer-0123456789abcdef, and",
    ),
    "a cut prompt": (
        lambda rows: rows,
        ("posttrain.max_tokens=20",),
        "posttrain.max_tokens allows 20: it would be cut",
    ),
    "a file for a folder": (
        lambda rows: rows,
        ("posttrain.output=base/config.json/model",),
        "nothing can be written at",
    ),
    "a learning rate that is none": (lambda rows: rows, ("posttrain.learning_rate=inf",), "posttrain.learning_rate"),
    "no difference to learn": (
        lambda rows: rows,
        ("posttrain.method=reward_model",),
        "the reward model tells no candidate from another: it is fitted to 30 prompts of",
    ),
    "everybody kept back": (lambda rows: rows, ("posttrain.validation=0.9999",), "examples back: give less, or 0"),
    "nothing to merge": (lambda rows: rows, ("posttrain.merge=true",), "posttrain.merge: without posttrain.lora"),
    "no rationales": (
        lambda rows: rows,
        ("posttrain.method=sft_reasoning",),
        "posttrain.method = sft_reasoning needs rationales",
    ),
    "no such base": (
        lambda rows: rows,
        ("posttrain.base=nowhere",),
        "model 'nowhere' is neither a folder nor a hub id",
    ),
    "a folder of somebody else": (lambda rows: rows, ("posttrain.output=store",), "is no model that this job wrote"),
    "a place nobody writes to": (lambda rows: rows, ("posttrain.output=/proc/m",), "written at /proc/m: [Errno 2]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learnt_from_is_one_sentence(here, capsys, case):
    change, settings, sentence = REFUSED[case]
    if rows := change(planted.some(30)):
        planted.write(here / "store", rows)
    else:
        (here / "store").mkdir()
    before = sorted(str(path) for path in here.rglob("*.parquet"))
    assert run(*settings) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert not (here / "model").exists()
    assert [path for path in sorted(str(each) for each in here.rglob("*.parquet")) if "/run/" not in path] == before


@pytest.mark.slow
def test_a_base_that_cannot_answer_with_letters_is_refused(here, capsys):
    planted.write(here / "store", planted.some(30))
    dumb = planted.checkpoint(here / "dumb")
    (dumb / "chat_template.jinja").unlink()
    assert run(base="dumb") == 2
    assert "has no chat template" in capsys.readouterr().err
    made = byte_pairs(["Answer: A Answer: B"] * 50, r" ?[A-Za-z]+|\n|[^\w\s]", [END], vocabulary=400, min_frequency=2)
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=END,
        chat_template="{% for m in messages %}{{ m['content'] }}\n{% endfor %}Answer: ",
    ).save_pretrained(dumb)
    assert run(base="dumb") == 2
    assert "prompt 00000000000000000000000000000" in (said := capsys.readouterr().err)
    assert "writes the answer A as ĠA in the place of Ġ" in said
    endless = planted.checkpoint(here / "endless")
    words = PreTrainedTokenizerFast.from_pretrained(endless)
    words.eos_token, words.chat_template = None, "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    words.save_pretrained(endless)
    assert run("posttrain.method=direct", base="endless") == 2
    assert "posttrain.base: endless has no token that ends its turn" in capsys.readouterr().err
