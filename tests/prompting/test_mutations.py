"""Damaged inputs of every form: read rightly or refused in one sentence, and nothing committed by half."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurize.storage import tables
from featurize.storage.store import Store
from jobs import cli, featurize, prompts

from . import worlds

TABLES = ("title", "history", "impression", "pair", "manifest")
SETTING = {"title": "titles", "history": "history", "impression": "impressions", "pair": "pairs", "manifest": "artwork"}
ODD = (None, 7, -1.5, True, "", "a|b", float("nan"), 10**30, [], ["x", None], {"name": "y"}, "\ud800")


def world():
    made = worlds.plain(impressions=9)
    days = worlds.timedelta(days=1)
    made.history = [worlds.event(f"m{n % 5}", f"t{n % 4}", worlds.START - n * days, minutes=n + 0.5) for n in range(12)]
    words = {"device": "phone", "country": "BR", "language": "pt", "time_zone": "America/Sao_Paulo", "max_maturity": 16}
    made.pair = [{"member_id": f"m{n}", "title_id": "t1"} | words for n in range(3)]
    for row in made.impression:
        row |= {**words, "propensities": [0.25, 0.5, 0.25]}
    for row in made.title:
        row["cast"] = ["Ana Sá", "Bo"]
    return made


def rows_of(name, made):
    if name == "manifest":
        return [
            {"artwork_id": f"a{n}", "title_id": "t1", "uri": f"pictures/{n}.png", "priority": n}
            | {"depicts": ["Ana Sá"], "maturity": n}
            for n in range(6)
        ]
    return getattr(made, name)


def encoded(form, rows, rng):
    """The rows in a form, with one column dropped or of another type where the dice say so."""
    rows = [{key: value.isoformat() if key == "at" else value for key, value in row.items()} for row in rows]
    columns = list(rows[0])
    change = rng.choice(["none"] * 4 + ["drop", "retype", "retype some"])
    if change == "drop":
        columns.remove(rng.choice(columns))
    elif change.startswith("retype"):
        column = rng.choice(columns)
        other = rng.choice(ODD)
        for row in rows[rng.randrange(len(rows)) :] if change.endswith("some") else rows:
            row[column] = other
    return _encode(form, [{name: row.get(name) for name in columns} for row in rows])


def _encode(form, rows):
    if form == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if form == "csv":
        texts = [[_cell(value) for value in row.values()] for row in rows]
        return "\n".join(",".join(each) for each in [list(rows[0]), *texts]).encode("utf-8", "replace")
    sink = pa.BufferOutputStream()
    try:
        table = pa.Table.from_pylist(rows)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):  # no Parquet file can hold that
        table = pa.Table.from_pylist(
            [{key: str(value).encode("utf-8", "replace") for key, value in row.items()} for row in rows]
        )
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def _cell(value):
    text = "" if value is None else json.dumps(value) if isinstance(value, list | dict) else str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",\n') else text


def damaged(data, rng):
    """The bytes with some flipped, cut off, doubled or taken out."""
    kind = rng.choice(["none", "flip", "flip many", "cut", "take out", "double", "insert"])
    at, length = rng.randrange(len(data)), rng.randrange(1, 40)
    if kind.startswith("flip"):
        changed = bytearray(data)
        for _ in range(1 if kind == "flip" else 12):
            changed[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(changed)
    pieces = {
        "none": data,
        "cut": data[:at],
        "take out": data[:at] + data[at + length :],
        "double": data[:at] + data[at : at + length] + data[at:],
        "insert": data[:at] + rng.randbytes(3) + data[at:],
    }
    return pieces[kind]


def run_one(tmp_path, name, form, number):
    """Exit code of the job over one damaged input, and the folder of its store."""
    rng = random.Random(f"{name} {form} {number}")
    folder = tmp_path / f"{name}-{number}"
    (folder / "pictures").mkdir(parents=True)
    made = world()
    made.write(folder)
    path = folder / f"damaged.{form}"
    data = encoded(form, rows_of(name, made), rng)
    path.write_bytes(damaged(data, rng) if data and rng.random() < 0.8 else data)
    if name == "manifest":
        for n in range(6):
            (folder / "pictures" / f"{n}.png").write_bytes(bytes([n]) * 9)
        flags = [
            f"--set=input.artwork={path}",
            f"--set=store={folder}/store",
            "--set=run.executor=local",
            *(f"--set={model}=null" for model in ("embed", "describe", "text")),
        ]
        return cli.main("featurize", "-", featurize.featurize, flags), folder
    given = {f"input__{SETTING[name]}": path}
    if name == "pair":
        given |= {"input__impressions": None, "prompts__kind": "nightly"}
    return cli.main("prompts", "-", prompts.prompts, worlds.settings(folder, **given)), folder


def check(tmp_path, name, form, number, capfd):
    code, folder = run_one(tmp_path, name, form, number)
    said = capfd.readouterr().err
    store = Store(str(folder / "store"))
    if code:
        assert code in (1, 2)
        assert said.startswith("error: ")
        assert said.count("\n") == 1, said
        assert len(said) < 1500, said
        assert not store.parts("prompt")
        assert store.dataset("artwork").count_rows() == 12  # those of before
        return
    assert said == ""
    counted = worlds.counts(folder)
    if name != "manifest":
        asked = counted["pairs" if name == "pair" else "impressions"]
        lost = sum(count for key, count in counted.items() if key.startswith("no prompt: "))
        assert store.dataset("prompt").count_rows() == counted["new prompts"] == asked - lost
    for table in ("artwork", "prompt"):
        if store.parts(table):
            tables.check(table, store.dataset(table).to_table())


@pytest.mark.parametrize(("name", "form"), [("history", "jsonl"), ("impression", "parquet")])
def test_a_damaged_input(tmp_path, name, form, capfd):
    check(tmp_path, name, form, 0, capfd)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_three_hundred_damaged_inputs_of_each_form(tmp_path, form, capfd):
    faults = []
    for number in range(60):
        for name in TABLES:
            try:
                check(tmp_path, name, form, number, capfd)
            except Exception as fault:  # the others are wanted too
                faults.append(f"{name} {number}: {type(fault).__name__}: {fault}"[:600])
    assert not faults, "\n".join(faults)
