"""Until when a run gives out work, and in which order: what `run.deadline` means, and what a run makes of it."""

import json
import shlex
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from featurize.errors import RefusedInput
from featurize.execution.deadline import Deadline
from featurize.report import PhaseReport, Report, Spent
from featurize.storage import views
from featurize.storage.store import Store
from jobs import cli, featurize


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "begun", "until"),
    [
        ("06:00 UTC", "2026-11-28 02:00", "2026-11-28 06:00"),
        ("06:00Z", "2026-11-28 06:00", "2026-11-29 06:00"),
        ("6:00 Europe/Paris", "2026-11-28 02:00", "2026-11-28 05:00"),
        ("06:30:15+05:30", "2026-11-28 02:00", "2026-11-29 01:00:15"),
        ("06:00 Europe/Paris", "2026-10-24 20:00", "2026-10-25 05:00"),  # in a night with an hour more
        ("06:00 Europe/Paris", "2026-03-28 20:00", "2026-03-29 04:00"),  # and in one with an hour less
        ("22:00 to 06:00 UTC", "2026-11-28 02:00", "2026-11-28 06:00"),
        ("22:00 to 06:00 UTC", "2026-11-27 22:00", "2026-11-28 06:00"),
        ("22:00 to 06:00 UTC", "2026-11-28 06:30", "2026-11-28 06:30"),  # too late
        ("22:00 to 06:00 UTC", "2026-11-28 21:59", "2026-11-28 21:59"),  # and too early
        ("01:00 to 6:00 Europe/Paris", "2026-11-28 04:59", "2026-11-28 05:00"),
        ("01:00 to 6:00 Europe/Paris", "2026-11-28 05:00", "2026-11-28 05:00"),
        ("4h30m", "2026-11-28 02:00", "2026-11-28 06:30"),
        ("90 min", "2026-11-28 02:00", "2026-11-28 03:30"),
        ("1.5h", "2026-11-28 02:00", "2026-11-28 03:30"),
        ("20s", "2026-11-28 02:00", "2026-11-28 02:00:20"),
    ],
)
def test_a_deadline_is_a_time_of_the_day_or_a_duration(said, begun, until):
    assert Deadline.of(said, at(begun)).moment == at(until)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("06:00", "06:00 does not say its zone; write 06:00 UTC, or 06:00 Europe/Paris"),
        ("06:00 Europe/Pariss", "there is no time zone 'Europe/Pariss'"),
        ("22:00 to 06:00", "22:00 to 06:00 does not say its zone; write 22:00 to 06:00 UTC"),
        ("25:00 to 06:00 UTC", "'25:00 to 06:00 UTC' is refused"),
        ("26:00 UTC", "'26:00 UTC' is refused; wanted: a time of the day with its zone, such as 06:00 Europe/Paris"),
        ("6", "'6' is refused; wanted: "),
        ("", "'' is refused"),
        ("soon", "'soon' is refused"),
        ("99999999999h", "refused"),
    ],
)
def test_what_is_no_deadline_is_refused(said, why):
    with pytest.raises(RefusedInput, match=r"run\.deadline: ") as refused:
        Deadline.of(said, at("2026-11-28 02:00"))
    assert why in str(refused.value)


def catalogue(folder, rows):
    """A manifest of pictures with these columns, and the pictures."""
    made = []
    for number, row in enumerate(rows):
        path = folder / f"{number:02}.png"
        Image.new("RGB", (8, 8), (number, 77, 99)).save(path)
        made.append({"artwork_id": f"{number:02}", "title_id": "t", "uri": str(path), **row})
    columns = [("artwork_id", pa.string()), ("title_id", pa.string()), ("uri", pa.string()), ("priority", pa.float64())]
    columns += [("valid_from", pa.timestamp("us", "UTC")), ("valid_to", pa.timestamp("us", "UTC"))]
    pq.write_table(pa.Table.from_pylist(made, schema=pa.schema(columns)), folder / "manifest.parquet")


def run(folder, run_id, model="", *flags):
    given = {
        "input.artwork": folder / "manifest.parquet",
        "store": folder / "store",
        "run.executor": "local",
        "run.shard_images": 4,
        "describe": "null",
        "embed": f'{{backend = "fake"{model}}}',
    }
    arguments = [f"--set={name}={value}" for name, value in given.items()] + [f"--set={flag}" for flag in flags]
    return cli.main("featurize", featurize.__doc__, featurize.featurize, [*arguments, "--run-id", run_id])


@pytest.mark.slow
def test_no_shard_begins_after_the_deadline_and_the_next_run_goes_on_with_what_launches_soonest(tmp_path, capsys):
    now = datetime.now(UTC)
    days = [timedelta(days=number) for number in (-400, 3, 9, 2, -1)]
    rows = [{"valid_from": now + each} for each in days]
    rows += [{"priority": 9.0, "valid_from": now + timedelta(days=90)}, {"priority": 9.5}]
    rows += [{"priority": 99.0, "valid_to": now - timedelta(days=1)}, {}, {"valid_to": now + timedelta(days=5)}]
    catalogue(tmp_path, rows)
    wanted = ["06", "05", "04", "03", "01", "02", "00", "08", "09", "07"]

    assert run(tmp_path, "no-time", ", will_not_load = true", "run.deadline=0s") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "hash: 9 of 10 files are left for the next run, for run.deadline = 0s has passed" in told
    assert "embed: 1 of 1 are left for the next run, for run.deadline = 0s has passed" in told
    assert embedded(tmp_path) == []
    assert run(tmp_path, "hashed", "", "embed=null") == 0
    capsys.readouterr()

    # A shard is given out while the one before it is with the model: the third when the first is done, 2.4 s from here.
    assert run(tmp_path, "some", ", seconds = 0.6", "run.deadline=2s") == 0
    done = embedded(tmp_path)
    assert len(done) < 10
    said = capsys.readouterr()
    assert f"embed: {10 - len(done):,} of 10 are left for the next run, for" in " ".join(said.out.split())
    lines = [dict(word.split("=", 1) for word in shlex.split(line)) for line in said.err.splitlines()]
    lines = [line for line in lines if line["phase"] != "compare"]
    assert sum(int(line["done"]) for line in lines) == len(done)
    assert all(line["phase"] == "embed" and line["run_id"] == "some" for line in lines)

    assert run(tmp_path, "rest", ", seconds = 0.05", "run.log_json=true", "cost.per_gpu_hour=3") == 0
    found = embedded(tmp_path)
    parts = sorted({moment for _, moment in found})
    assert len(found) == 10
    assert [sorted(one for one, moment in found if moment == part) for part in parts] == _parts(wanted, found, parts)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"phase": "embed"' in line]
    assert sum(line["done"] for line in lines) == 10 - len(done)
    assert all(line["device"] == "cpu" and line["model_s"] >= 0.05 * line["done"] for line in lines)
    with views.connect(Store(str(tmp_path / "store"))) as db:
        told = "done, model_s, wait_s >= 0, read_s > 0, decode_s > 0, write_s > 0, worker_s['cpu'], bytes_read"
        ((count, model_s, *positive, worker_s, read),) = db.execute(
            f"SELECT {told} FROM run_phase WHERE run_id = 'rest' AND phase = 'embed'"
        ).fetchall()
        ((cost, gpu_s, whole_s, seconds, all_read, written),) = db.execute(
            "SELECT cost, gpu_s, worker_s['cpu'], seconds, bytes_read, bytes_written FROM runs WHERE run_id = 'rest'"
        ).fetchall()
    sizes = {one: (tmp_path / f"{one}.png").stat().st_size for one, _ in found}
    assert read == sum(sizes[one] for one, _ in found if one not in {each for each, _ in done})
    assert (count, positive, all_read) == (10 - len(done), [True] * 4, read)
    assert 0.05 * count <= model_s <= worker_s <= whole_s == pytest.approx(seconds, abs=0.1)
    assert (cost, gpu_s) == (0, 0)
    of_run = [path.stat().st_size for path in (tmp_path / "store").rglob("*.parquet") if _by(path, "rest")]
    assert written == sum(of_run) - _size(tmp_path / "store", "run", "rest")


def embedded(folder):
    """(artwork id, moment) of each embedding."""
    if not (folder / "store/image_embedding").exists():
        return []
    tables = [f"'{folder}/store/{table}/**/*.parquet'" for table in ("image_embedding", "artwork")]
    return duckdb.sql(f"SELECT artwork_id, computed_at FROM {' JOIN '.join(tables)} USING (image_sha256)").fetchall()


def _parts(wanted, found, parts):
    """The ids in the order in which they are wanted, cut as the parts are."""
    sizes = [sum(moment == part for _, moment in found) for part in parts]
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return [sorted(wanted[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _by(path, run_id):
    return pq.read_table(path, columns=["run_id"])["run_id"][0].as_py() == run_id


def _size(store, table, run_id):
    """Bytes of the row that says how a run ended: it cannot count itself."""
    return sum(path.stat().st_size for path in (store / table / "g0").glob(f"{run_id}.parquet"))


def test_money_is_made_of_the_time_of_gpus(tmp_path):
    store, told = Store(str(tmp_path)), Report("featurize", "r")
    phase = PhaseReport("embed", "m", here=False, spent=Spent(worker_s={"NVIDIA H200": 1800.0}, gpu_s=3600.0))
    told.phases = [phase, PhaseReport("describe", "n", here=False, spent=Spent(worker_s={"NVIDIA H200": 200.0}))]
    told.record(store, "{}", "done", per_gpu_hour=2.5)
    with views.connect(store) as db:
        ((cost, gpu_s, by_device),) = db.execute("SELECT cost, gpu_s, worker_s FROM runs").fetchall()
    assert (cost, gpu_s, by_device["NVIDIA H200"]) == (2.5, 3600, 2000)
    assert set(by_device) == {"NVIDIA H200", "cpu"}
