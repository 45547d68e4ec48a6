"""What a person finds on the morning after a night that was not quite as it should be."""

import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from featurize.demo import world
from featurize.demo.titles import titles
from tests.nightly import nights

NOT_LOGGED = {"input__impressions": None, "rank__rankers": '["random"]'}


@pytest.mark.slow
def test_a_night_of_the_demo_world_shows_again_what_was_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    amounts = world.Size(titles=6, members=30, history_rows=10, impressions=240)

    def make(place):
        catalogue = list(titles(amounts.titles, 0))
        world.draw(place, [artwork for title in catalogue for artwork in title.artworks])
        world.write_tables(place, catalogue, amounts, 0)

    world.write_whole(Path("demo/small"), {"version": world.VERSION, "size": "small", "seed": 0}, make)
    files = ("artwork", "titles", "history", "impressions", "pairs")
    changes = {f"input__{name}": None for name in files} | {"describe": None}
    assert nights.run(tmp_path, **changes) == 0, capsys.readouterr().err
    log = pq.read_table("demo/small/impression.parquet", columns=["member_id", "title_id"]).to_pylist()
    shown = {(row["member_id"], row["title_id"]) for row in log}
    assert len(shown) < len(log)
    chosen = nights.ask(tmp_path, "SELECT member_id, title_id FROM choice")
    assert len(chosen) == len(set(chosen)) == len(shown)
    assert set(chosen) == shown


@pytest.mark.slow
def test_what_cannot_be_decoded_is_nobodys_candidate(tmp_path, capsys):
    made = nights.world(tmp_path)
    page, half = (row["artwork_id"] for row in made.artwork[:2])
    (tmp_path / "artwork" / f"{page}.png").write_text("<html>moved</html>")
    picture = tmp_path / "artwork" / f"{half}.png"
    Image.effect_noise((64, 64), 90).save(picture)
    picture.write_bytes(picture.read_bytes()[:1500])
    assert nights.run(tmp_path, **NOT_LOGGED) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "artworks that cannot be decoded, no candidates 2" in told
    assert {row[0] for row in nights.ask(tmp_path, "SELECT DISTINCT reason FROM quarantine")} <= {
        "not_an_image",
        "truncated",
        "unsupported",
        "decode_error",
    }
    asked = {each for (each,) in nights.ask(tmp_path, "SELECT DISTINCT unnest(artwork_ids) FROM prompt")}
    assert asked
    assert not {page, half} & asked


@pytest.mark.slow
def test_a_night_that_had_no_time_is_told_from_one_that_did_its_work(tmp_path):
    nights.world(tmp_path)
    metrics = tmp_path / "night.prom"
    given = {**NOT_LOGGED, "run__metrics_file": metrics}
    assert nights.run(tmp_path, **given, run__deadline="0s") == 0
    ((outcome, message),) = nights.ask(tmp_path, "SELECT outcome, message FROM runs")
    assert outcome == "done"
    assert message.startswith(
        "nothing was begun: featurize was left for the next run, for run.deadline = 0s has passed"
    )
    assert "rank_nightly was left" in message or "prompts_nightly was left" in message
    assert "artwork_last_success_timestamp_seconds" not in _samples(metrics)
    assert nights.run(tmp_path, **given) == 0
    first = _samples(metrics)["artwork_last_success_timestamp_seconds"]
    assert nights.ask(tmp_path, "SELECT message FROM runs ORDER BY started_at DESC LIMIT 1") == [("",)]
    assert nights.run(tmp_path, **given, run__deadline="0s") == 0
    assert _samples(metrics)["artwork_last_success_timestamp_seconds"] == pytest.approx(first, abs=1)
    assert nights.run(tmp_path, **given) == 0  # nothing was left to do: that is a success too
    assert _samples(metrics)["artwork_last_success_timestamp_seconds"] > first


def _samples(file):
    lines = [line.rpartition(" ") for line in file.read_text().splitlines() if not line.startswith("#")]
    return {name.partition("{")[0]: float(value) for name, _, value in lines}


def test_first_nights_without_a_log_are_chosen_for_by_who_needs_none(tmp_path, capsys):
    nights.world(tmp_path)
    given = NOT_LOGGED | {"rank__rankers": '["random", "popular"]'}
    assert nights.run(tmp_path, **given) == 0
    assert "popular was left out: " in " ".join(capsys.readouterr().out.split())
    assert nights.ask(tmp_path, "SELECT count(*) > 0 FROM choice") == [(True,)]
    ((model,),) = nights.ask(tmp_path, "SELECT DISTINCT model_key FROM choice")
    assert model.startswith("random-")


@pytest.mark.slow
def test_every_night_compares_the_rankers_of_that_night(tmp_path, capsys):
    made = nights.world(tmp_path)
    logged = made.impression
    for number in range(3):
        made.impression = logged[: 40 + 15 * number]
        nights.write(tmp_path, made)
        assert nights.run(tmp_path) == 0, capsys.readouterr().err
    assert nights.ask(
        tmp_path, "SELECT count(DISTINCT model_key) FROM ranking WHERE starts_with(model_key, 'popular')"
    ) == [(3,)]
    policies = {name for (name,) in nights.ask(tmp_path, "SELECT DISTINCT policy FROM latest_policy_value")}
    assert policies <= {"logged", "logged_greedy", "popular", "random"}
    assert "popular" in policies


def test_a_refused_night_is_not_a_failed_one(tmp_path, capsys):
    nights.world(tmp_path)
    (tmp_path / "manifest.parquet").unlink()
    assert nights.run(tmp_path, **NOT_LOGGED) == 2
    assert nights.ask(tmp_path, "SELECT outcome FROM runs") == [("refused",)]
    (tmp_path / "file").touch()
    assert nights.run(tmp_path, evaluate__plot=tmp_path / "file/plot.png", **NOT_LOGGED) == 2
    assert f"evaluate.plot: {tmp_path}/file/plot.png cannot be written" in capsys.readouterr().err


@pytest.mark.slow
def test_sigterm_while_ray_works_ends_the_run_as_it_does_without(tmp_path):
    nights.world(tmp_path)
    slow = {"embed": '{backend = "fake", seconds = 0.5, workers = 1}', "run__executor": "ray"}
    night = nights.start(tmp_path, **NOT_LOGGED, **slow)
    while not list(tmp_path.glob("store/image_embedding/**/*.parquet")):
        assert night.poll() is None, night.communicate()
        time.sleep(0.05)
    night.send_signal(signal.SIGTERM)
    _, told = night.communicate(timeout=60)
    assert night.returncode == 1
    assert told.splitlines()[-1] == "error: interrupted; what is committed stays, and the next run goes on from there"
    assert "SIGTERM received" not in told
    assert nights.ask(tmp_path, "SELECT outcome, message FROM runs") == [("interrupted", "")]


@pytest.mark.slow
def test_a_delivery_that_a_night_failed_on_can_be_taken_back(tmp_path, capsys):
    made = nights.world(tmp_path)
    assert nights.run(tmp_path, **NOT_LOGGED) == 0
    former = list(made.artwork)
    for number in range(40):
        artwork = made.artwork[0] | {"artwork_id": f"new-{number}"}
        (tmp_path / "artwork" / f"new-{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([number]) * 40)
        made.artwork.append(artwork)
    nights.write(tmp_path, made)
    assert nights.run(tmp_path, **NOT_LOGGED) == 1
    assert "more than run.max_failed = 0.5 allows" in capsys.readouterr().err
    made.artwork = former
    nights.write(tmp_path, made)
    assert nights.run(tmp_path, **NOT_LOGGED) == 0, capsys.readouterr().err
    present = "SELECT count(*) FROM artwork_present"
    assert nights.ask(tmp_path, present) == [(len(former),)]
    # What a night that ended well has taken is not given away like that, but of a few there is a note.
    capsys.readouterr()
    made.artwork = former[:-13]
    nights.write(tmp_path, made)
    assert nights.run(tmp_path, **NOT_LOGGED) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"no longer lists 13 of the {len(former)} artworks it had, such as " in told
    made.artwork = former[:-40]
    nights.write(tmp_path, made)
    assert nights.run(tmp_path, **NOT_LOGGED) == 2
    assert "more than input.max_removed = 0.2 allows" in capsys.readouterr().err


def test_pairs_of_nobody_are_refused_with_their_file(tmp_path, capsys):
    made = nights.world(tmp_path)
    made.pair = []
    nights.write(tmp_path, made)
    assert nights.run(tmp_path, **NOT_LOGGED) == 2
    assert f"input.pairs (PAIRS=): {tmp_path}/pair.parquet has no row: nobody to ask for" in capsys.readouterr().err
