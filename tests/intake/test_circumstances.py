"""Lists of numbers, limits of age and short words are read right in every form, or told with their place."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurize.errors import RefusedInput
from featurize.intake import inputs
from featurize.storage import tables

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
HEAD = "impression_id;member_id;title_id;artwork_id;candidates;propensity;at;reward"
ROW = "i;m;t;a;a,b;0.2;2026-01-31T12:00:00Z;1"


def viewed(folder, path, name="impression"):
    with tables.connect() as db:
        (folder / "scratch").mkdir(exist_ok=True)
        inputs.view(db, name, str(path), scratch=folder / "scratch")
        return tables.arrow(db, f"FROM {name}").to_pylist()


def csv(folder, column, value):
    path = folder / "i.csv"
    quoted = '"' + value.replace('"', '""') + '"'
    path.write_text(f"{HEAD};{column}\n{ROW};{quoted}\n", encoding="utf-8")
    return viewed(folder, path)[0]


def jsonl(folder, column, written):
    path = folder / "i.jsonl"
    known = {"impression_id": "i", "member_id": "m", "title_id": "t", "artwork_id": "a", "candidates": ["a", "b"]}
    known |= {"propensity": 0.2, "at": AT.isoformat(), "reward": 1}
    path.write_text(f'{json.dumps(known)[:-1]}, "{column}": {written}}}\n', encoding="utf-8")
    return viewed(folder, path)[0]


def parquet(folder, column, values, **changes):
    columns = {name: ["x"] for name in ("impression_id", "member_id", "title_id", "artwork_id")}
    columns |= {"candidates": [["x", "y"]], "propensity": [0.2], "at": pa.array([AT]), "reward": [1.0]}
    pq.write_table(pa.table({**columns, column: values, **changes}), folder / "i.parquet")
    return viewed(folder, folder / "i.parquet")[0]


@pytest.mark.parametrize(
    "spelled",
    ["0.2|0.8", "0.2, 0.8", "[0.2, 0.8]", "{0.2,0.8}", '["0.2", "0.8"]', "(0.2, 0.8)", "['0.2', '0.8']", " [2e-1,.8] "],
)
def test_a_list_of_numbers_in_csv_in_every_spelling(tmp_path, spelled):
    assert csv(tmp_path, "propensities", spelled)["propensities"] == [0.2, 0.8]


@pytest.mark.parametrize("spelled", ["", "null", " "])
def test_a_list_of_numbers_that_is_none(tmp_path, spelled):
    row = csv(tmp_path, "propensities", spelled)
    assert (row["propensities"], row["fault"]) == (None, None)


@pytest.mark.parametrize(
    ("spelled", "told"),
    [
        ("0.2|high", "is not a list of finite numbers"),
        ("0,2;0,8", "is not a list of finite numbers; decimals are written with a point, 0.5"),
        ("NaN|0.5", "is not a list of finite numbers"),
        ("[0.2, NaN]", "is not a list of finite numbers"),
        ("[0.2, 1e999]", "is not a list of finite numbers"),
        ("[0.2, null]", "is not a list of finite numbers"),
        ("0.2||0.8", "is not a list of finite numbers"),
    ],
)
def test_a_number_that_is_none_is_a_fault_of_its_row(tmp_path, spelled, told):
    row = csv(tmp_path, "propensities", spelled)
    assert (row["propensities"], row["fault"]) == (None, "bad_propensities")
    assert row["fault_example"].endswith(told)
    assert "i.csv:2: propensities '" in row["fault_example"]


@pytest.mark.parametrize(
    ("spelled", "told"),
    [
        ("[[0.2], 0.8]", "can't be read as a list of numbers (an element is no number)"),
        ('[{"name": "0.2"}, 0.8]', "can't be read as a list of numbers (an element is no number)"),
        ("[0.2 0.8]", "can't be read as a list of numbers ("),
        ("[0.2, 0.8", "can't be read as a list of numbers (its brackets do not match)"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused_with_line_and_value(tmp_path, spelled, told):
    with pytest.raises(RefusedInput) as refused:
        csv(tmp_path, "propensities", spelled)
    sentence = str(refused.value)
    assert "i.csv:2: propensities '" in sentence
    assert told in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("written", ["[0.2, 0.8]", '["0.2", 0.8]', '"0.2|0.8"', '"[0.2, 0.8]"'])
def test_a_list_of_numbers_in_json(tmp_path, written):
    assert jsonl(tmp_path, "propensities", written)["propensities"] == [0.2, 0.8]


@pytest.mark.parametrize("written", ["[0.2, null]", "[NaN, 1]", "[1e999]", '"x"'])
def test_a_number_that_is_none_is_a_fault_of_its_row_in_json(tmp_path, written):
    row = jsonl(tmp_path, "propensities", written)
    assert (row["propensities"], row["fault"]) == (None, "bad_propensities")


@pytest.mark.parametrize("written", ["[[1]]", '[{"name": "1"}]', "{}"])
def test_what_is_no_list_of_numbers_is_refused_in_json(tmp_path, written):
    with pytest.raises(RefusedInput, match=r"i\.jsonl:1: propensities '.*' (is not|can't be read as) a list of"):
        jsonl(tmp_path, "propensities", written)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[0.25, 0.75]]),
        pa.array([[0.25, 0.75]], pa.list_(pa.float32())),
        pa.array([[0.25, 0.75]], pa.large_list(pa.float64())),
        pa.array([[0.25, 0.75]], pa.list_(pa.float64(), 2)),
        pa.array([[Decimal("0.25"), Decimal("0.75")]]),
        pa.array([["0.25", "0.75"]]),
        pa.array(["0.25|0.75"]),
    ],
    ids=str,
)
def test_a_list_of_numbers_of_every_type_of_parquet(tmp_path, values):
    row = parquet(tmp_path, "propensities", values)
    assert (row["propensities"], row["fault"]) == ([0.25, 0.75], None)


def test_whole_numbers_in_a_list_of_parquet(tmp_path):
    assert parquet(tmp_path, "propensities", pa.array([[0, 1]]))["propensities"] == [0.0, 1.0]


@pytest.mark.parametrize("values", [[0.5, float("nan")], [0.5, None], [float("inf"), 0.5]])
def test_a_list_of_parquet_with_a_number_that_is_none_is_a_fault_of_its_row(tmp_path, values):
    row = parquet(tmp_path, "propensities", pa.array([values]))
    assert row["fault"] == "bad_propensities"
    assert row["fault_example"].endswith("i.parquet, row 1: propensities is not a list of finite numbers")
    as_text = parquet(tmp_path, "propensities", pa.array([values]), reward=pa.array(["1"]))
    assert as_text["fault"] == "bad_propensities"
    assert "i.parquet, row 1: propensities '" in as_text["fault_example"]


@pytest.mark.parametrize(
    "values",
    [pa.array([12], kind()) for kind in (pa.int8, pa.uint8, pa.int16, pa.int32, pa.uint32, pa.int64, pa.uint64)]
    + [pa.array([12.0]), pa.array(["12"]), pa.array(["12.0"]), pa.array([Decimal("12")])],
    ids=lambda values: str(values.type),
)
def test_an_age_of_every_type(tmp_path, values):
    row = parquet(tmp_path, "max_maturity", values)
    assert (row["max_maturity"], row["fault"]) == (12, None)


@pytest.mark.parametrize("values", [pa.array([2**40]), pa.array([12.5]), pa.array(["PG"]), pa.array([float("nan")])])
def test_what_is_no_age_is_a_fault(tmp_path, values):
    row = parquet(tmp_path, "max_maturity", values)
    assert (row["max_maturity"], row["fault"]) == (None, "bad_max_maturity")
    assert "i.parquet, row 1: max_maturity" in row["fault_example"]
    assert "is not a whole number" in row["fault_example"]


@pytest.mark.parametrize("reward", [pa.array([1.0]), pa.array(["1"])], ids=["scanned", "converted"])
def test_a_limit_that_cannot_be_read_is_told_before_minutes_a_row_can_do_without(tmp_path, reward):
    bad = {"minutes": pa.array([float("nan")]), "reward": reward}
    assert parquet(tmp_path, "max_maturity", pa.array([2**40]), **bad)["fault"] == "bad_max_maturity"


def manifest(folder, suffix, **changes):
    row = {"artwork_id": "a", "title_id": "t", "uri": "a.jpg"}
    path = folder / f"m.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist([row | dict.fromkeys(changes), row | {"artwork_id": "b"} | changes]), path)
    elif suffix == "csv":
        lines = [",".join([*row, *changes]), "a,t,a.jpg" + "," * len(changes)]
        values = ['"' + str(value).replace('"', '""') + '"' for value in changes.values()]
        path.write_text("\n".join([*lines, ",".join(["b,t,a.jpg", *values])]), encoding="utf-8")
    else:
        path.write_text(f"{json.dumps(row)}\n{json.dumps(row | {'artwork_id': 'b'} | changes)}\n", encoding="utf-8")
    return inputs.read("manifest", str(path)).to_pylist()[1]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_manifest_says_who_is_on_an_artwork_and_from_which_age_it_is(tmp_path, suffix):
    rows = [manifest(tmp_path, suffix, maturity=age) for age in (0, 18)]
    assert [row["maturity"] for row in rows] == [0, 18]
    assert manifest(tmp_path, suffix, depicts="Ana Sá|Bo")["depicts"] == ["Ana Sá", "Bo"]


@pytest.mark.parametrize(
    ("suffix", "age", "place", "told"),
    [
        ("csv", 19, "m.csv:3", "maturity '19' is out of bounds: maturity BETWEEN 0 AND 18"),
        ("jsonl", -1, "m.jsonl:2", "maturity '-1' is out of bounds: maturity BETWEEN 0 AND 18"),
        ("parquet", 99, "m.parquet, row 2", "maturity '99' is out of bounds: maturity BETWEEN 0 AND 18"),
        ("csv", "PG-13", "m.csv:3", "maturity 'PG-13' is not a whole number"),
        ("jsonl", 12.5, "m.jsonl:2", "maturity '12.5' is not a whole number"),
    ],
)
def test_a_maturity_that_is_no_age_is_refused_with_its_place(tmp_path, suffix, age, place, told):
    with pytest.raises(RefusedInput) as refused:
        manifest(tmp_path, suffix, maturity=age)
    assert str(refused.value).endswith(f"{place}: {told}")


@pytest.mark.parametrize("spelled", ['["Ana Sá", "Bo, jr."]', '[{"id": 1, "name": "Ana Sá"}, "Bo, jr."]'])
def test_a_title_has_a_cast(tmp_path, spelled):
    (tmp_path / "t.jsonl").write_text(f'{{"title_id": 1, "name": "A", "cast": {spelled}}}', encoding="utf-8")
    assert inputs.read("title", str(tmp_path / "t.jsonl")).to_pylist()[0]["cast"] == ["Ana Sá", "Bo, jr."]
    pq.write_table(pa.table({"title_id": ["1"], "name": ["A"], "cast": [["Ana Sá"]]}), tmp_path / "t.parquet")
    assert inputs.read("title", str(tmp_path / "t.parquet")).to_pylist()[0]["cast"] == ["Ana Sá"]


def test_words_of_a_pair_are_text_as_it_is_written(tmp_path):
    head = "member_id,title_id,device,country,language,time_zone,max_maturity"
    (tmp_path / "p.csv").write_text(f"{head}\n1,2,TV,NA,no,Etc/GMT+3,12\n1,3,7,,,,\n", encoding="utf-8")
    first, second = viewed(tmp_path, tmp_path / "p.csv", "pair")
    assert [first[name] for name in head.split(",")] == ["1", "2", "TV", "NA", "no", "Etc/GMT+3", 12]
    assert [second[name] for name in head.split(",")] == ["1", "3", "7", None, None, None, None]
