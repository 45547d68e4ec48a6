"""The benchmark measures what it says, at a size that takes seconds. No test here judges a speed."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from featurize.bench import Figure, process, workload
from featurize.errors import RunFailed
from jobs import bench


@pytest.fixture(scope="module")
def artwork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artwork")
    for number in range(5):
        workload.draw(number).resize((200, 300)).save(folder / f"{number}.jpg")
    (folder / "notes.txt").write_text("no picture")
    return folder


def measured(out: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    assert bench.main([*arguments, "--out", str(out)]) == 0
    return figures(out)


def figures(out: Path) -> dict[str, dict[str, Any]]:
    """The rows of a report by their names."""
    rows = json.loads(out.read_text())["figures"]
    assert all(row["value"] is None or math.isfinite(row["value"]) for row in rows)
    return {row["name"]: row for row in rows}


@pytest.mark.slow
def test_efficiency_is_the_ratio_of_two_rates_on_the_pictures_of_a_folder(artwork: Path, tmp_path: Path) -> None:
    settings = ("embed.model=bundled:clip", "describe=null", "run.executor=local")
    sets = [argument for setting in settings for argument in ("--set", setting)]
    found = measured(tmp_path / "bench.json", "--only", "efficiency", "--artwork", str(artwork), *sets)
    ratio = found["CLIP in process: job / back to back"]
    assert ratio["at_least"] == 0.9
    assert "5 pictures" in ratio["note"]
    assert 0.01 < ratio["value"] < 100
    assert found["CLIP in process: job"]["value"] > 0
    assert found["CLIP: back to back"]["value"] > 0
    assert found["CLIP in process: start-up"]["value"] > 0


@pytest.mark.slow
def test_a_machine_without_ray_and_open_clip_measures_a_captioner(artwork: Path, tmp_path: Path) -> None:
    program = """
import sys
absent = ["ray", "open_clip", "moto", "boto3"]
sys.modules.update(dict.fromkeys(absent))
from jobs import bench
sys.exit(bench.main(sys.argv[1:]))
"""
    arguments = ["--only", "efficiency", "--artwork", str(artwork), "--set", "describe.max_new_tokens=4"]
    out = tmp_path / "bench.json"
    subprocess.run([sys.executable, "-c", program, *arguments, "--out", str(out)], check=True, capture_output=True)
    found = figures(out)
    assert found["CLIP: job / back to back"]["value"] is None
    assert found["CLIP: job / back to back"]["met"] is None
    assert found["captioner in process: job"]["value"] > 0
    assert not any("Ray" in name for name in found)


@pytest.mark.slow
def test_reduced_decoding_and_bfloat16_are_compared_with_the_plain_way(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.mkdir()
    for number in range(3):
        workload.draw(number).save(large / f"{number}.jpg")
    measures = ("--only", "draft", "--only", "bfloat16", "--artwork", str(large))
    found = measured(tmp_path / "bench.json", *measures, "--set", "embed.model=bundled:clip")
    assert 0.98 < found["reduced and full decode: mean cosine"]["value"] <= 1.0001
    # 0 would say that nothing was reduced.
    assert 0 < found["reduced and full decode: mean difference of pixels"]["value"] < 16
    assert 0.98 < found["bfloat16 and float32: mean cosine"]["value"] <= 1.0001


@pytest.mark.slow
def test_a_dry_run_is_measured_on_a_store_that_has_everything(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "planning", "--images", "2")
    assert 0.1 < found["--dry-run, 2,000 rows, nothing new"]["value"] < 60
    assert 0.03 < found["  its peak memory"]["value"] < 2
    assert found["  heavy packages imported"]["value"] == 0


@pytest.mark.slow
def test_a_backfill_is_planned_with_what_it_comes_to(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "planning-backfill", "--images", "1")
    assert 0.1 < found["--dry-run, 10,000 rows, 15,000 to do"]["value"] < 60
    assert found["  shards to compute"]["value"] == 3 + 5


@pytest.mark.slow
def test_prompts_are_made_of_a_world_of_the_size_asked_for(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "prompts", "--images", "1")
    paper = found["115 prompts"]
    assert (paper["at_most"], paper["note"]) == (20, "from 20,000 rows; the whole process")
    assert 0.1 < paper["value"] < 60
    assert 0.03 < found["  its peak memory"]["value"] < 2
    assert found["  nothing new"]["value"] > 0


@pytest.mark.slow
def test_a_prompt_of_the_large_world_is_compared_with_one_of_the_paper_world(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "prompts-large", "--images", "1")
    assert found["2,000 prompts"]["note"] == "from 200,000 rows, with 6 GB for DuckDB"
    assert found["  cost of one against the paper's world"]["value"] > 0


@pytest.mark.slow
def test_prompts_are_made_in_buckets_on_ray(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "prompts-dealt", "--images", "1")
    assert "from 100,000 rows in 40 buckets" in found["250 prompts on Ray"]["note"]
    peaks = [found[f"  peak memory of {whose}"] for whose in ("the process that leads", "a worker")]
    assert all(0.05 < each["value"] < each["at_most"] == 2 for each in peaks)


def test_a_search_is_measured_on_as_many_vectors_as_asked_for(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "similar", "--images", "2")
    assert found["similar_artwork on 2,000 x 512"]["at_most"] == 2
    assert 0 < found["similar_artwork on 2,000 x 512"]["value"] < 60


@pytest.mark.slow
def test_near_duplicates_are_found_among_as_many_vectors_as_asked_for(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "near-duplicates", "--images", "20")
    assert 0 < found["20 new pictures against 2,000 x 512"]["value"] < 60
    assert 0.03 < found["  its peak memory"]["value"] < 2


def test_a_peak_is_of_the_process_itself_and_not_of_the_one_that_asks(tmp_path: Path) -> None:
    mine = b"x" * (300 << 20)
    small = process.run([sys.executable, "-c", "pass"], tmp_path)
    large = process.run([sys.executable, "-c", "print(len(b'x' * (200 << 20)))"], tmp_path)
    assert small.peak_bytes < 100 << 20 < len(mine)
    assert 200 << 20 < large.peak_bytes < 300 << 20
    assert large.output == f"{200 << 20}\n"
    with pytest.raises(RunFailed, match="exit code 3"):
        process.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_targets() -> None:
    assert Figure("", 0.95, "", at_least=0.9).met is True
    assert Figure("", 31.0, "s", at_most=30).met is False
    assert Figure("", 31.0, "s").met is None


def test_what_cannot_be_measured_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--set", "embed.model=bundled:clip"]
    assert bench.main(["--only", "draft", *tiny, "--artwork", str(tmp_path)]) == 2
    assert bench.main(["--only", "draft", "--set", "embed.batch=3"]) == 2
    assert "embed" in capsys.readouterr().err


@pytest.mark.slow
def test_an_evaluation_of_ten_rankers_is_timed(tmp_path: Path) -> None:
    found = measured(tmp_path / "bench.json", "--only", "evaluate", "--images", "20")
    assert found["evaluation of 10 rankers on 100 prompts"]["at_most"] == 5
    assert 0 < found["evaluation of 10 rankers on 100 prompts"]["value"] < 120
    assert found["  its peak memory"]["value"] > 0


@pytest.mark.slow
def test_ranking_is_compared_with_its_bare_model_and_with_writing(tmp_path: Path) -> None:
    rows = measured(tmp_path / "b.json", "--only", "ranking", "--images", "20")
    ratios = [name for name, row in rows.items() if row["unit"] in ("ratio", "times")]
    assert len(ratios) == 4
    assert all(rows[name]["value"] > 0 for name in ratios)
