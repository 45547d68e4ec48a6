"""The models in featurize/bundled: small, whole, and as good as their scores say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from featurize import bundling
from featurize.bundling import score
from featurize.config import load

BUNDLED = Path(bundling.__file__).parents[1] / "bundled"
SHIPPED = json.loads((BUNDLED / "scores.json").read_text())


def test_they_are_small_and_in_bfloat16() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*")) < 40e6
    for path in BUNDLED.rglob("*.safetensors"):
        with safe_open(path, "pt") as weights:
            assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118


def test_the_card_tells_the_scores() -> None:
    card = (BUNDLED / "MODEL_CARD.md").read_text()
    told = [SHIPPED["captioner"]["valid_json"], SHIPPED["captioner"]["mean"], *SHIPPED["captioner"]["fields"].values()]
    read = SHIPPED["ranker"]
    for share in [*told, *SHIPPED["clip"].values(), read["letter"], read["mean"], *read["styles"].values()]:
        assert f"| {100 * share:.1f} % |" in card


@pytest.mark.slow
def test_the_default_profile_describes_scenes_it_has_never_seen() -> None:
    found = score.score(load("local"), 16)
    assert found["captioner"]["valid_json"] == 1
    assert found["captioner"]["fields"]["mood"] > 0.5  # one in eight by chance
    assert found["clip"]["genre"] > 0.5


@pytest.mark.slow
def test_the_scores_are_those_that_ship_and_the_same_every_time(tmp_path: Path) -> None:
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for file in files:
        command = [sys.executable, "-m", "jobs.bundle", "--score-only", "--held-out", "256", "--scores", str(file)]
        subprocess.run(command, check=True, capture_output=True)
    assert files[0].read_bytes() == files[1].read_bytes()
    again = json.loads(files[0].read_text())
    for model in ("captioner", "clip"):
        for name, share in SHIPPED[model].items():
            if not isinstance(share, dict):
                assert again[model][name] == pytest.approx(share, abs=0.08), name  # a quarter of the scenes
    assert again["ranker"]["letter"] == pytest.approx(SHIPPED["ranker"]["letter"], abs=0.08)
    assert again["ranker"]["letter_bias"] < 0.1
