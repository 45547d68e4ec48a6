"""The job as people start it, on a store of planted prompts and a tiny real checkpoint."""

import json

import pytest

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
