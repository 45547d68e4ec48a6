"""What is learnt: the artwork that is rewarded, not the one that is shown; by killed runs the same as by others."""

import glob
import json
import random
import re
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import duckdb
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from featurize.errors import RunFailed
from featurize.inference import causal_lm, letters
from featurize.posttraining.folder import Folder
from tests.posttraining import planted
from tests.posttraining.test_job import base, here, run  # noqa: F401


def scores(folder, prompts):
    """Log-probabilities of the letters (prompts, candidates), as they are read."""
    tokenizer, model = causal_lm.load(causal_lm.resolve(str(folder)), "float32", torch.device("cpu"))
    found = []
    for messages in prompts:
        text = letters.text(tokenizer, messages)
        ids = torch.tensor([letters.encode(tokenizer, text)])
        with torch.no_grad():
            said = model(input_ids=ids).logits[0, -1].log_softmax(-1)
        found.append(said[letters.tokens(tokenizer, text, 2)].numpy())
    return np.array(found)


def asked(count):
    """Fresh prompts of the two genres, and the place of the liked one."""
    dice = random.Random(99)
    lists = [dice.sample([planted.LIKED, planted.SHOWN], 2) for _ in range(count)]
    return [planted.question("everything", each)[0] for each in lists], [each.index(planted.LIKED) for each in lists]


@pytest.mark.slow
def test_weights_learn_what_is_rewarded_and_plain_fine_tuning_what_is_shown(here):  # noqa: F811
    planted.write(here / "store", planted.liked(2000))
    prompts, liked = asked(60)
    picks = {}
    for method in ("weighted", "reward_model", "sft"):
        settings = (
            "epochs=6",
            "batch_size=16",
            "learning_rate=1e-2",
            "patience=null",
            "readings=3",
            f"output={method}",
            "clip=20",  # of what the artworks show the reward model knows nothing here
        )
        assert run(f"posttrain.method={method}", *(f"posttrain.{each}" for each in settings)) == 0
        picks[method] = (scores(here / method, prompts).argmax(1) == liked).mean()
    assert picks["weighted"] > 0.9
    assert picks["reward_model"] > 0.9
    assert picks["sft"] < 0.1


@pytest.mark.slow
def test_an_adapter_and_the_same_merged_score_alike(here):  # noqa: F811
    planted.write(here / "store", planted.liked(300))
    lora = ("posttrain.lora=4", "posttrain.learning_rate=1e-2", "posttrain.epochs=2", "posttrain.readings=2")
    assert run(*lora) == 0
    prompts, _ = asked(8)
    assert json.loads((here / "model/adapter_config.json").read_text())["base_model_name_or_path"] == str(here / "base")
    before = scores(here / "base", prompts)
    adapter = scores(here / "model", prompts)
    assert np.abs(adapter - before).max() > 0.01
    weights = (here / "model/adapter_model.safetensors").read_bytes()
    assert run(*lora, "posttrain.merge=true") == 0  # the same model, not trained again
    assert (here / "model/adapter_model.safetensors").read_bytes() == weights
    assert np.abs(scores(here / "model/merged", prompts) - adapter).max() < 1e-4
    assert run(*lora, "posttrain.merge=true", "posttrain.output=at-once") == 0
    assert np.abs(scores(here / "at-once/merged", prompts) - adapter).max() < 1e-4


SETTINGS = (
    "store=store",
    "posttrain.base=base",
    "posttrain.threads=1",
    "posttrain.dtype=float32",
    "posttrain.epochs=8",
    "posttrain.readings=8",
    "posttrain.learning_rate=1e-3",
)


def start(*settings):
    flags = [f"--set={each}" for each in (*SETTINGS, *settings)]
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.posttrain", *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def checkpoints(folder):
    """Those of the run that is killed; looked for as `glob` does, which bears that folders go meanwhile."""
    return set(glob.glob(str(folder / ".killed.work/*/checkpoint-*/whole")))


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        (),
        ("posttrain.method=direct",),
        ("posttrain.method=reward_model", "posttrain.clip=5"),
        ("posttrain.method=dpo", "posttrain.lora=2"),
    ],
)
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(here, method):  # noqa: F811
    planted.write(here / "store", planted.some(400))
    whole = start(*method, "posttrain.output=whole")
    said, _ = whole.communicate(timeout=500)
    assert whole.returncode == 0, said
    dice = random.Random(0)
    killed = 0
    for run_number in range(4):  # three are killed, unless they end before
        there = checkpoints(here)
        process = start(*method, "posttrain.output=killed")
        begun = time.monotonic()
        seen = set()
        wanted = dice.randint(1, 2) if run_number < 3 else 99
        while process.poll() is None and time.monotonic() - begun < 300:
            seen |= checkpoints(here) - there
            if len(seen) >= wanted:
                time.sleep(dice.random() * 0.3)
                process.send_signal(signal.SIGKILL)
                break
            assert not (here / "killed").exists() or (here / "killed/posttrain.json").exists()
            time.sleep(0.02)
        code = process.wait(500)
        told = " ".join(process.stdout.read().split())
        process.stdout.close()
        killed += code == -signal.SIGKILL
        if code == 0:
            break
    assert killed >= 2
    assert code == 0
    assert re.search(r"went on from step \d+ of an earlier run", told)
    one, other = (load_file(next((here / each).glob("*model.safetensors"))) for each in ("whole", "killed"))
    assert one.keys() == other.keys()
    assert max(np.abs(one[name] - other[name]).max() for name in one) < 1e-5
    records = [json.loads((here / each / "posttrain.json").read_text()) for each in ("whole", "killed")]
    assert records[0]["training"] == records[1]["training"]
    assert records[0]["steps"] == records[1]["steps"]
    assert not (here / ".killed.work").exists()


@pytest.mark.slow
def test_two_processes_learn_what_one_does_and_nobody_is_told(here, monkeypatch):  # noqa: F811
    """Under accelerate each step's examples are shared out; the libraries call no one, as they would if let."""
    planted.write(here / "store", planted.some(200))
    called = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            called.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST = do_HEAD

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK", "CI"):
        monkeypatch.delenv(name, raising=False)
    tell = "from huggingface_hub.utils import send_telemetry as s; import time; s('a'); time.sleep(3)"
    monkeypatch.setenv("HF_HOME", str(here / "hub of the other"))
    subprocess.run([sys.executable, "-c", tell], check=True)
    assert called
    called.clear()
    monkeypatch.setenv("HF_HOME", str(here / "hub"))
    one = start("posttrain.output=one")
    assert one.wait(500) == 0, one.stdout.read()
    one.stdout.close()
    flags = [f"--set={each}" for each in (*SETTINGS, "posttrain.output=two")]
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1"]
    launch += ["--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "-m", "jobs.posttrain"]
    done = subprocess.run([sys.executable, *launch, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert called == []
    server.shutdown()
    alone, shared = (load_file(here / each / "model.safetensors") for each in ("one", "two"))
    assert max(np.abs(alone[name] - shared[name]).max() for name in alone) < 1e-5
    runs = duckdb.sql(
        f"SELECT count(*) FROM read_parquet('{here}/store/run/**/*.parquet') WHERE outcome <> 'started'"
    ).fetchall()
    assert runs == [(2,)]


@pytest.mark.slow
def test_a_run_that_stopped_early_and_was_killed_then_is_only_put_in_its_place(here, monkeypatch):  # noqa: F811
    planted.write(here / "store", [row | {"reward": 1.0} for row in planted.some(500)])
    early = (
        "posttrain.method=weighted",
        "posttrain.epochs=4",
        "posttrain.readings=8",
        "posttrain.patience=1",
        "posttrain.learning_rate=3e-2",
    )
    assert run(*early) == 0
    with monkeypatch.context() as full:
        full.setattr(Folder, "publish", lambda *_: (_ for _ in ()).throw(RunFailed("the disk is full")))
        assert run(*early, "posttrain.output=late") == 1
    assert not (here / "late").exists()
    assert run(*early, "posttrain.output=late") == 0
    records = [json.loads((here / each / "posttrain.json").read_text()) for each in ("model", "late")]
    assert records[0]["steps"] == records[1]["steps"] < records[0]["steps_planned"]
    assert records[0]["figures"] == records[1]["figures"]
    assert records[0]["model_key"] == records[1]["model_key"]
