"""The whole chain, from pictures to prompts, gives the same prompts on either executor."""

import hashlib
import json
import subprocess
import sys

import pytest
from stand_in_endpoint import Reply, answering

from featurize.demo.titles import titles
from featurize.demo.world import draw

from . import worlds


def words(seen):
    """An answer that follows from the picture in the request."""
    said = {"caption": f"Picture {hashlib.sha256(seen.body.encode()).hexdigest()[:8]}.", "mood": "calm"}
    choice = {"message": {"role": "assistant", "content": json.dumps(said)}, "finish_reason": "stop"}
    return Reply(body=json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}))


def featurize(folder, executor, address):
    settings = {
        "input.artwork": folder / "manifest.csv",
        "store": folder / executor / "store",
        "run.executor": executor,
        "run.shard_images": 4,
        "embed": '{backend = "fake"}',
        "describe": f'{{backend = "openai_endpoint", address = "{address}", model = "m", revision = "r"}}',
    }
    sets = [f"--set={name}={value}" for name, value in settings.items()]
    done = subprocess.run([sys.executable, "-m", "jobs.featurize", *sets], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_prompts_are_the_same_on_either_executor(tmp_path):
    pictures = [picture for title in titles(4, 0) for picture in title.artworks]
    draw(tmp_path, pictures)
    lines = [f"{picture.artwork_id},{picture.title_id},{picture.uri}" for picture in pictures]
    (tmp_path / "manifest.csv").write_text("\n".join(["artwork_id,title_id,uri", *lines]) + "\n")
    world = worlds.demo(impressions=50, of_titles=4)
    world.artwork, world.description = [], []
    found = {}
    with answering(words) as server:
        for executor in ("local", "ray"):
            featurize(tmp_path, executor, server.address)
            world.write(tmp_path / executor)
            assert worlds.run(tmp_path / executor) == 0
            found[executor] = worlds.rows(tmp_path / executor)
    for row in found["local"] + found["ray"]:
        del row["run_id"], row["computed_at"]
    assert found["local"] == found["ray"]
    assert len(found["local"]) == 50
    assert all('"Picture ' in row["prompt"] for row in found["local"])
