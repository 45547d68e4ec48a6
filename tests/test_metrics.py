"""What a monitoring system reads of a run, and that it can always read it."""

import pytest
from PIL import Image
from prometheus_client.parser import text_fd_to_metric_families
from stand_in_endpoint import Reply, answering

from featurize import metrics
from jobs import cli, featurize


def read(path):
    """Samples by name and labels, in order; each metric is one that is declared, with its kind and labels."""
    found = {}
    with path.open(encoding="utf-8") as file:
        for family in text_fd_to_metric_families(file):
            for sample in family.samples:
                declared = metrics.METRICS[sample.name]
                assert (family.type, set(sample.labels)) == (declared.kind, set(declared.labels)), sample.name
                found[sample.name, *(sample.labels[label] for label in declared.labels)] = sample.value
    return found


def job(path, *settings):
    flags = [f"--set={each}" for each in ("run.executor=local", "input.artwork=pictures", "store=store", *settings)]
    return cli.main("featurize", "doc", featurize.featurize, [*flags, f"--set=run.metrics_file={path}"])


def test_a_run_tells_what_was_done_what_failed_and_when_it_last_succeeded(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.new("RGB", (30, 20), (50 * number, 99, 200)).save(tmp_path / "pictures" / f"{number}.png")
    (tmp_path / "pictures" / "empty.png").write_bytes(b"")
    path = tmp_path / "artwork.prom"
    with answering(lambda seen: Reply()) as server:
        describe = f'{{backend = "openai_endpoint", address = "{server.address}", model = "m", revision = "r"}}'
        assert job(path, "embed={backend = 'fake'}", f"describe={describe}") == 0
    told = read(path)
    assert told["artwork_items_done_total", "featurize", "embed"] == 4
    assert told["artwork_items_failed_total", "featurize", "embed", "empty"] == 1
    assert told["artwork_items_waiting", "featurize", "embed"] == 0
    assert told["artwork_items_per_second", "featurize", "embed"] > 0
    assert told["artwork_tokens_total", "featurize", "describe", "prompt"] > 0
    assert told["artwork_tokens_total", "featurize", "describe", "output"] > 0
    assert told["artwork_stage_seconds_total", "featurize", "embed", "decode"] > 0
    assert told["artwork_memory_bytes", "featurize"] > 5e7
    assert told["artwork_worker_memory_bytes", "featurize", "embed"] > 5e7
    succeeded = told["artwork_last_success_timestamp_seconds", "featurize"]
    assert succeeded >= told["artwork_run_started_timestamp_seconds", "featurize"]
    assert told["artwork_run_ended_timestamp_seconds", "featurize", "done"] == pytest.approx(succeeded, abs=1)

    path.unlink()  # as on another machine, or another node
    assert job(path, "embed={backend = 'fake', seed = 1, will_not_load = true}", "describe=null") == 1
    told = read(path)
    assert told["artwork_last_success_timestamp_seconds", "featurize"] == pytest.approx(succeeded, abs=2)
    assert told["artwork_run_ended_timestamp_seconds", "featurize", "failed"] > succeeded
    capsys.readouterr()
    assert job(tmp_path / "no folder" / "artwork.prom", "embed={backend = 'fake'}", "describe=null") == 1
    assert "error: run.metrics_file: " in capsys.readouterr().err
